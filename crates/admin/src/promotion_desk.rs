//! Promotions of connectors from one environment to the next (AUTHZ-8). The API and the command line use it together.

use std::collections::BTreeMap;
use std::sync::Arc;

use sekimori_domain::catalog::{Target, TargetKind};
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::promotion::{End, Promotion, PromotionError, Word};
use sekimori_store::{Expected, Store, StoreError};

/// Why a promotion was not made.
#[derive(Debug, thiserror::Error)]
pub enum PromotionFault {
    /// There is no such connector.
    #[error("there is no connector {0}")]
    NoConnector(ConnectorName),
    /// There is no such promotion.
    #[error("there is no promotion of that id")]
    NotFound,
    /// A rule of promotions.
    #[error(transparent)]
    Rule(#[from] PromotionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks after promotions.
#[derive(Debug, Clone)]
pub struct PromotionDesk {
    /// Where they are.
    pub store: Arc<dyn Store>,
}

impl PromotionDesk {
    /// Compares two connectors, and keeps what a promotion would change for a second person to look at.
    pub async fn propose(
        &self,
        id: String,
        from: &ConnectorName,
        to: &ConnectorName,
        said: Word,
    ) -> Result<Promotion, PromotionFault> {
        let ((from, _), (to, _)) = (self.end(from).await?, self.end(to).await?);
        let promotion = Promotion::propose(id, &from, &to, said)?;
        self.store.promotions().add(&promotion).await?;
        Ok(promotion)
    }

    /// One of them.
    pub async fn find(&self, id: &str) -> Result<Promotion, PromotionFault> {
        let found = self.store.promotions().get(id).await?;
        found.ok_or(PromotionFault::NotFound)
    }

    /// A second person agrees, and it is done. If it fails half-way, what is done already makes it another comparison:
    /// it is proposed anew then, and nothing is done unseen.
    pub async fn agree(&self, id: &str, said: Word) -> Result<Promotion, PromotionFault> {
        let mut promotion = self.find(id).await?;
        let (from, _) = self.end(&promotion.from).await?;
        let (to, revision) = self.end(&promotion.to).await?;
        let (connector, reviews) = promotion.agree(&from, &to, said)?;
        let expected = Expected::Revision(revision);
        self.store.connectors().put(&connector, expected).await?;
        for (tool, review) in &reviews {
            let target = Target {
                connector: connector.name.clone(),
                kind: TargetKind::Tool,
                name: tool.clone(),
            };
            self.store.reviews().put(&target, review).await?;
        }
        self.store.promotions().close(&promotion).await?;
        Ok(promotion)
    }

    /// Somebody does not agree, or takes it back.
    pub async fn refuse(&self, id: &str, said: Word) -> Result<Promotion, PromotionFault> {
        let mut promotion = self.find(id).await?;
        promotion.refuse(said)?;
        self.store.promotions().close(&promotion).await?;
        Ok(promotion)
    }

    /// A connector as promotions compare it, with its revision.
    async fn end(&self, name: &ConnectorName) -> Result<(End, u64), PromotionFault> {
        let stored = self.store.connectors().get(name).await?;
        let stored = stored.ok_or_else(|| PromotionFault::NoConnector(name.clone()))?;
        let reviews = self.store.reviews();
        let decided = reviews.list(name).await?.into_iter();
        let seen = reviews.last_seen(name).await?.into_iter();
        let end = End {
            connector: stored.connector,
            reviews: decided
                .filter(|(target, _)| target.kind == TargetKind::Tool)
                .map(|(target, review)| (target.name, review))
                .collect::<BTreeMap<_, _>>(),
            served: seen
                .filter(|seen| seen.target.kind == TargetKind::Tool)
                .map(|seen| (seen.target.name, seen.digest))
                .collect(),
        };
        Ok((end, stored.revision))
    }
}
