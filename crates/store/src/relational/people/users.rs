//! The people themselves.

use jiff::Timestamp;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::person::{DeletedUser, User, UserLink};

use super::super::{Group as Revision, begin, first};
use super::{Conditions, USER, fold};
use crate::database::{Database, Row, Statement, Transaction, document, key, signed};
use crate::error::{Result, StoreError};
use crate::people::{Paging, USER_NAME, UserQuery, VERSION};

const LINK: &str = "user link";
const DELETED: &str = "deleted user";

pub(super) async fn create(database: &dyn Database, user: &User) -> Result<()> {
    let name = name_key(user)?;
    let (mut transaction, _) = begin(database, Revision::Identity).await?;
    if holder_of(&mut *transaction, &name).await?.is_some() {
        return Err(StoreError::Conflict { what: USER_NAME });
    }
    let sql = "INSERT INTO person
               (id, name_key, provider, external_id, active, version, haystack, document)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
    let statement = columns(sql, user, name, user.version)?;
    if transaction.execute(statement).await? == 0 {
        return Err(StoreError::Conflict { what: USER });
    }
    transaction.commit(true).await
}

pub(super) async fn replace(database: &dyn Database, user: &User, expected: u64) -> Result<User> {
    let name = name_key(user)?;
    let (mut transaction, _) = begin(database, Revision::Identity).await?;
    let sql = "SELECT version FROM person WHERE id = $1";
    let statement = Statement::new(USER, sql).bind(user.id.as_str());
    let Some(mut row) = first(transaction.query(statement).await?) else {
        return Err(StoreError::NotFound { what: USER });
    };
    if row.unsigned()? != expected {
        return Err(StoreError::Conflict { what: VERSION });
    }
    let holder = holder_of(&mut *transaction, &name).await?;
    if holder.is_some_and(|holder| holder != user.id.as_str()) {
        return Err(StoreError::Conflict { what: USER_NAME });
    }
    let version = expected.saturating_add(1);
    let sql = "UPDATE person SET name_key = $2, provider = $3, external_id = $4, active = $5,
               version = $6, haystack = $7, document = $8 WHERE id = $1";
    transaction
        .execute(columns(sql, user, name, version)?)
        .await?;
    transaction.commit(true).await?;
    Ok(User {
        version,
        ..user.clone()
    })
}

pub(super) async fn delete(
    database: &dyn Database,
    id: &PrincipalId,
    at: Timestamp,
) -> Result<Option<User>> {
    let (mut transaction, _) = begin(database, Revision::Identity).await?;
    let by_id = |sql: &'static str| Statement::new(USER, sql).bind(id.as_str());
    let sql = "DELETE FROM person WHERE id = $1 RETURNING document, version";
    // Groups lose a member, so that what clients know of them is out of date.
    let leave = "UPDATE person_group SET version = version + 1
                 WHERE id IN (SELECT person_group FROM group_member WHERE member = $1)";
    transaction.execute(by_id(leave)).await?;
    transaction
        .execute(by_id("DELETE FROM group_member WHERE member = $1"))
        .await?;
    let Some(mut row) = first(transaction.query(by_id(sql)).await?) else {
        return Ok(None);
    };
    let gone = user(&mut row)?;
    let kept = DeletedUser {
        id: gone.id.clone(),
        user_name: gone.user_name.clone(),
        display_name: gone.display_name.clone(),
        deleted_at: at,
    };
    let sql = "INSERT INTO deleted_person (id, document) VALUES ($1, $2)";
    let statement = Statement::new(DELETED, sql)
        .bind(id.as_str())
        .bind(document(DELETED, &kept)?);
    transaction.execute(statement).await?;
    transaction.commit(true).await?;
    Ok(Some(gone))
}

pub(super) async fn deleted(
    database: &dyn Database,
    id: &PrincipalId,
) -> Result<Option<DeletedUser>> {
    let sql = "SELECT document FROM deleted_person WHERE id = $1";
    let statement = Statement::new(DELETED, sql).bind(id.as_str());
    first(database.query(statement).await?)
        .map(|mut row| row.document())
        .transpose()
}

pub(super) async fn by_id(database: &dyn Database, id: &PrincipalId) -> Result<Option<User>> {
    let sql = "SELECT document, version FROM person WHERE id = $1";
    one(database, Statement::new(USER, sql).bind(id.as_str())).await
}

pub(super) async fn by_name(database: &dyn Database, user_name: &str) -> Result<Option<User>> {
    let sql = "SELECT document, version FROM person WHERE name_key = $1";
    one(database, Statement::new(USER, sql).bind(fold(user_name))).await
}

pub(super) async fn by_link(
    database: &dyn Database,
    provider: &str,
    subject: &str,
) -> Result<Option<User>> {
    let sql = "SELECT person.document, person.version FROM person_link
               JOIN person ON person.id = person_link.person
               WHERE person_link.provider = $1 AND person_link.subject = $2";
    let statement = Statement::new(USER, sql).bind(provider).bind(subject);
    one(database, statement).await
}

pub(super) async fn link(database: &dyn Database, link: &UserLink) -> Result<()> {
    let (mut transaction, _) = begin(database, Revision::Identity).await?;
    let sql = "SELECT id FROM person WHERE id = $1";
    let statement = Statement::new(USER, sql).bind(link.user.as_str());
    if transaction.query(statement).await?.is_empty() {
        return Err(StoreError::NotFound { what: USER });
    }
    let sql = "SELECT person FROM person_link WHERE provider = $1 AND subject = $2";
    let statement = Statement::new(LINK, sql)
        .bind(link.provider.as_str())
        .bind(link.subject.as_str());
    if let Some(mut row) = first(transaction.query(statement).await?) {
        if row.text()? == link.user.as_str() {
            return Ok(());
        }
        return Err(StoreError::Conflict { what: LINK });
    }
    let sql =
        "INSERT INTO person_link (provider, subject, person, linked_at) VALUES ($1, $2, $3, $4)";
    let statement = Statement::new(LINK, sql)
        .bind(key("identity provider", &link.provider)?)
        .bind(key("subject", &link.subject)?)
        .bind(link.user.as_str())
        .bind(link.linked_at.to_string());
    transaction.execute(statement).await?;
    transaction.commit(true).await
}

pub(super) async fn links(database: &dyn Database, user: &PrincipalId) -> Result<Vec<UserLink>> {
    let sql = "SELECT provider, subject, linked_at FROM person_link WHERE person = $1
               ORDER BY provider, subject LIMIT 100";
    let statement = Statement::new(LINK, sql).bind(user.as_str());
    let rows = database.query(statement).await?;
    rows.into_iter()
        .map(|mut row| {
            Ok(UserLink {
                provider: row.text()?,
                subject: row.text()?,
                user: user.clone(),
                linked_at: row.parsed()?,
            })
        })
        .collect()
}

pub(super) async fn list(
    database: &dyn Database,
    query: &UserQuery,
    paging: &Paging,
) -> Result<Vec<User>> {
    let statement = conditions(database, query).select(USER, "person", paging)?;
    let rows = database.query(statement).await?;
    rows.into_iter().map(|mut row| user(&mut row)).collect()
}

pub(super) async fn count(database: &dyn Database, query: &UserQuery) -> Result<u64> {
    let statement = conditions(database, query).count(USER, "person");
    first(database.query(statement).await?).map_or(Ok(0), |mut row| row.unsigned())
}

fn conditions(database: &dyn Database, query: &UserQuery) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(id) = &query.id {
        conditions.add(id.as_str(), |value| format!("id = {value}"));
    }
    if let Some(name) = &query.user_name {
        conditions.add(fold(name), |value| format!("name_key = {value}"));
    }
    if let Some(id) = &query.external_id {
        conditions.add(id.as_str(), |value| format!("external_id = {value}"));
    }
    if let Some(provider) = &query.provider {
        conditions.add(provider.as_str(), |value| format!("provider = {value}"));
    }
    if let Some(active) = query.active {
        conditions.add(i64::from(active), |value| format!("active = {value}"));
    }
    if let Some(group) = &query.member_of {
        conditions.add(group.as_str(), |value| {
            format!("id IN (SELECT member FROM group_member WHERE person_group = {value})")
        });
    }
    if let Some(text) = &query.text {
        let dialect = database.dialect();
        conditions.add(fold(text), |value| dialect.contains("haystack", value));
    }
    conditions
}

async fn one(database: &dyn Database, statement: Statement) -> Result<Option<User>> {
    first(database.query(statement).await?)
        .map(|mut row| user(&mut row))
        .transpose()
}

async fn holder_of(transaction: &mut dyn Transaction, name: &str) -> Result<Option<String>> {
    let sql = "SELECT id FROM person WHERE name_key = $1";
    let statement = Statement::new(USER, sql).bind(name);
    first(transaction.query(statement).await?)
        .map(|mut row| row.text())
        .transpose()
}

fn name_key(user: &User) -> Result<String> {
    let name = fold(&user.user_name);
    key("user name", &name)?;
    Ok(name)
}

/// Binds the columns of a person, in the order of the table.
fn columns(sql: &'static str, user: &User, name: String, version: u64) -> Result<Statement> {
    let external_id = user
        .external_id
        .as_deref()
        .map(|id| key("external id", id).map(str::to_owned))
        .transpose()?;
    let mut haystack = format!("{}\n{}", name, fold(&user.display_name));
    for email in &user.emails {
        haystack.push('\n');
        haystack.push_str(&fold(email));
    }
    Ok(Statement::new(USER, sql)
        .bind(user.id.as_str())
        .bind(name)
        .bind(user.provider.as_deref().unwrap_or_default())
        .bind(external_id)
        .bind(i64::from(user.active))
        .bind(signed("version", version)?)
        .bind(haystack)
        .bind(document(USER, user)?))
}

fn user(row: &mut Row) -> Result<User> {
    let user: User = row.document()?;
    Ok(User {
        version: row.unsigned()?,
        ..user
    })
}
