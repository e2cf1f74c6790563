//! Everybody whom policies may decide on, for access reviews.

use sekimori_domain::caller::{Principal, PrincipalKind};
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::person::User;
use sekimori_store::{PEOPLE_PAGE_MAX, Paging, Store, StoreError, UserQuery};

/// Most people that one review looks at.
pub const REVIEWED_MAX: usize = 50_000;

/// The active people and the service accounts, by kind and id.
pub async fn all_principals(store: &dyn Store) -> Result<Vec<Principal>, StoreError> {
    let people = store.people();
    let mut found = Vec::new();
    let mut paging = Paging {
        limit: PEOPLE_PAGE_MAX,
        ..Paging::default()
    };
    while found.len() < REVIEWED_MAX {
        let page = people.list_users(&UserQuery::default(), &paging).await?;
        let Some(last) = page.last() else { break };
        paging.after = Some(last.id.to_string());
        for user in page.into_iter().filter(|user| user.active) {
            let groups = people.groups_of(&user.id).await?;
            found.push(Principal {
                groups,
                ..of_user(user)
            });
        }
    }
    for account in store.service_accounts().list().await? {
        found.extend(of_account(account));
    }
    Ok(found)
}

/// The principal of that id; `None` for who is not known.
pub async fn principal(
    store: &dyn Store,
    id: &PrincipalId,
) -> Result<Option<Principal>, StoreError> {
    if let Some(name) = id.as_str().strip_prefix("service:") {
        let account = store.service_accounts().get(name).await?;
        return Ok(account.and_then(of_account));
    }
    let people = store.people();
    let user = match people.user(id).await? {
        Some(user) => Some(user),
        None => people.user_by_name(id.as_str()).await?,
    };
    let Some(user) = user else { return Ok(None) };
    let groups = people.groups_of(&user.id).await?;
    Ok(Some(Principal {
        groups,
        ..of_user(user)
    }))
}

fn of_user(user: User) -> Principal {
    Principal {
        id: user.id,
        kind: PrincipalKind::User,
        display_name: user.display_name,
        groups: Vec::new(),
        department: user.department,
        employment: user.employment,
        environments: None,
    }
}

fn of_account(account: sekimori_domain::service_account::ServiceAccount) -> Option<Principal> {
    if account.suspended_at.is_some() {
        return None;
    }
    Some(Principal {
        id: PrincipalId::new(&format!("service:{}", account.name)).ok()?,
        kind: PrincipalKind::ServiceAccount,
        display_name: account.name,
        groups: account.groups,
        department: None,
        employment: None,
        environments: Some(account.environments),
    })
}
