//! The groups themselves.

use sekimori_domain::ids::{GroupId, GroupName};
use sekimori_domain::person::{Group, MemberId};

use super::super::{Group as Revision, begin, first};
use super::{Conditions, GROUP, fold, members};
use crate::database::{Database, Row, Statement, Transaction, document, key, signed};
use crate::error::{Result, StoreError};
use crate::people::{ChangedGroup, GROUP_DISPLAY_NAME, GroupQuery, MemberChange, Paging, VERSION};

pub(super) async fn create(
    database: &dyn Database,
    group: &Group,
    members: &[MemberId],
) -> Result<Group> {
    let (mut transaction, _) = begin(database, Revision::Identity).await?;
    if holder_of(&mut *transaction, group).await?.is_some() {
        return Err(StoreError::Conflict {
            what: GROUP_DISPLAY_NAME,
        });
    }
    let group = Group {
        name: free_name(&mut *transaction, group).await?,
        ..group.clone()
    };
    let sql = "INSERT INTO person_group
               (id, name, provider, display_key, external_id, version, document)
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";
    let statement = columns(sql, &group, group.version)?;
    if transaction.execute(statement).await? == 0 {
        return Err(StoreError::Conflict { what: GROUP });
    }
    let change = MemberChange::Replace(members.to_vec());
    members::change(&mut *transaction, &group, &change).await?;
    transaction.commit(true).await?;
    Ok(group)
}

pub(super) async fn replace(
    database: &dyn Database,
    group: &Group,
    expected: u64,
    members: &MemberChange,
) -> Result<ChangedGroup> {
    let (mut transaction, _) = begin(database, Revision::Identity).await?;
    let sql = "SELECT version, name FROM person_group WHERE id = $1";
    let statement = Statement::new(GROUP, sql).bind(group.id.as_str());
    let Some(mut row) = first(transaction.query(statement).await?) else {
        return Err(StoreError::NotFound { what: GROUP });
    };
    if row.unsigned()? != expected {
        return Err(StoreError::Conflict { what: VERSION });
    }
    let group = Group {
        name: row.parsed::<GroupName>()?,
        version: expected.saturating_add(1),
        ..group.clone()
    };
    let holder = holder_of(&mut *transaction, &group).await?;
    if holder.is_some_and(|holder| holder != group.id.as_str()) {
        return Err(StoreError::Conflict {
            what: GROUP_DISPLAY_NAME,
        });
    }
    let sql = "UPDATE person_group SET name = $2, provider = $3, display_key = $4,
               external_id = $5, version = $6, document = $7 WHERE id = $1";
    transaction
        .execute(columns(sql, &group, group.version)?)
        .await?;
    let (added, removed) = members::change(&mut *transaction, &group, members).await?;
    transaction.commit(true).await?;
    Ok(ChangedGroup {
        group,
        added,
        removed,
    })
}

pub(super) async fn delete(database: &dyn Database, id: &GroupId) -> Result<Option<ChangedGroup>> {
    let (mut transaction, _) = begin(database, Revision::Identity).await?;
    let by_id = |sql: &'static str| Statement::new(GROUP, sql).bind(id.as_str());
    let removed = members::all(&mut *transaction, id).await?;
    let leave = "UPDATE person_group SET version = version + 1
                 WHERE id IN (SELECT person_group FROM group_member WHERE member = $1)";
    transaction.execute(by_id(leave)).await?;
    transaction
        .execute(by_id("DELETE FROM group_member WHERE member = $1"))
        .await?;
    let sql = "DELETE FROM person_group WHERE id = $1 RETURNING document, version";
    let Some(mut row) = first(transaction.query(by_id(sql)).await?) else {
        return Ok(None);
    };
    let group = read(&mut row)?;
    transaction.commit(true).await?;
    Ok(Some(ChangedGroup {
        group,
        added: Vec::new(),
        removed,
    }))
}

pub(super) async fn by_id(database: &dyn Database, id: &GroupId) -> Result<Option<Group>> {
    let sql = "SELECT document, version FROM person_group WHERE id = $1";
    let statement = Statement::new(GROUP, sql).bind(id.as_str());
    first(database.query(statement).await?)
        .map(|mut row| read(&mut row))
        .transpose()
}

pub(super) async fn list(
    database: &dyn Database,
    query: &GroupQuery,
    paging: &Paging,
) -> Result<Vec<Group>> {
    let statement = conditions(query).select(GROUP, "person_group", paging)?;
    let rows = database.query(statement).await?;
    rows.into_iter().map(|mut row| read(&mut row)).collect()
}

pub(super) async fn count(database: &dyn Database, query: &GroupQuery) -> Result<u64> {
    let statement = conditions(query).count(GROUP, "person_group");
    first(database.query(statement).await?).map_or(Ok(0), |mut row| row.unsigned())
}

fn conditions(query: &GroupQuery) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(id) = &query.id {
        conditions.add(id.as_str(), |value| format!("id = {value}"));
    }
    if let Some(name) = &query.display_name {
        conditions.add(fold(name), |value| format!("display_key = {value}"));
    }
    if let Some(id) = &query.external_id {
        conditions.add(id.as_str(), |value| format!("external_id = {value}"));
    }
    if let Some(provider) = &query.provider {
        conditions.add(provider.as_str(), |value| format!("provider = {value}"));
    }
    if let Some(member) = &query.member {
        conditions.add(member.as_str(), |value| {
            format!("id IN (SELECT person_group FROM group_member WHERE member = {value})")
        });
    }
    conditions
}

/// The id of the group that has the displayed name.
async fn holder_of(transaction: &mut dyn Transaction, group: &Group) -> Result<Option<String>> {
    let sql = "SELECT id FROM person_group WHERE provider = $1 AND display_key = $2";
    let statement = Statement::new(GROUP, sql)
        .bind(group.provider.as_deref().unwrap_or_default())
        .bind(fold(&group.display_name));
    first(transaction.query(statement).await?)
        .map(|mut row| row.text())
        .transpose()
}

/// The name that policies shall know the group by: the one wished for if it is free, else the group's id,
/// which no policy can have meant somebody else by.
async fn free_name(transaction: &mut dyn Transaction, group: &Group) -> Result<GroupName> {
    let sql = "SELECT id FROM person_group WHERE name = $1";
    let statement = Statement::new(GROUP, sql).bind(group.name.as_str());
    if transaction.query(statement).await?.is_empty() {
        return Ok(group.name.clone());
    }
    GroupName::new(group.id.as_str()).map_err(|error| StoreError::corrupt(GROUP, error))
}

/// Binds the columns of a group, in the order of the table.
fn columns(sql: &'static str, group: &Group, version: u64) -> Result<Statement> {
    let display_key = fold(&group.display_name);
    key("group name", &display_key)?;
    let external_id = group
        .external_id
        .as_deref()
        .map(|id| key("external id", id).map(str::to_owned))
        .transpose()?;
    Ok(Statement::new(GROUP, sql)
        .bind(group.id.as_str())
        .bind(group.name.as_str())
        .bind(group.provider.as_deref().unwrap_or_default())
        .bind(display_key)
        .bind(external_id)
        .bind(signed("version", version)?)
        .bind(document(GROUP, group)?))
}

/// A group from its document and version.
pub(super) fn read(row: &mut Row) -> Result<Group> {
    let group: Group = row.document()?;
    Ok(Group {
        version: row.unsigned()?,
        ..group
    })
}
