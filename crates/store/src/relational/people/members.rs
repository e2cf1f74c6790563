//! Who is in which group.

use std::collections::BTreeSet;

use sekimori_domain::ids::{GroupId, GroupName, PrincipalId};
use sekimori_domain::person::{Group, MemberId};

use super::super::{Group as Revision, begin, first};
use super::{GROUP, USER, groups, numbered};
use crate::database::{Database, Row, Statement, Transaction, key};
use crate::error::{Result, StoreError};
use crate::people::{
    CLAIMED_GROUPS_MAX, GROUP_MEMBERS_MAX, GROUPS_OF_USER_MAX, MEMBER, Member, MemberChange,
    PEOPLE_PAGE_MAX,
};

/// Members handled by one statement: far below the number of values that a statement may have.
const BATCH: usize = 400;

/// Changes the members of a group; returns who joined and who left.
pub(super) async fn change(
    transaction: &mut dyn Transaction,
    group: &Group,
    change: &MemberChange,
) -> Result<(Vec<MemberId>, Vec<MemberId>)> {
    let set = |ids: &[MemberId]| ids.iter().cloned().collect::<BTreeSet<_>>();
    let (add, remove) = match change {
        MemberChange::Keep => return Ok((Vec::new(), Vec::new())),
        MemberChange::Replace(wanted) => {
            let before = set(&all(transaction, &group.id).await?);
            let wanted = set(wanted);
            let add: BTreeSet<_> = wanted.difference(&before).cloned().collect();
            let remove: BTreeSet<_> = before.difference(&wanted).cloned().collect();
            (add, remove)
        }
        MemberChange::Change { add, remove } => {
            let before = set(&all(transaction, &group.id).await?);
            let remove = set(remove);
            let add = set(add)
                .into_iter()
                .filter(|id| !before.contains(id) && !remove.contains(id));
            let add: BTreeSet<_> = add.collect();
            (add, remove.intersection(&before).cloned().collect())
        }
    };
    let (add, remove): (Vec<_>, Vec<_>) = (add.into_iter().collect(), remove.into_iter().collect());
    for batch in remove.chunks(BATCH) {
        let list = numbered(2, batch.len());
        let sql =
            format!("DELETE FROM group_member WHERE person_group = $1 AND member IN ({list})");
        let statement = Statement::new(MEMBER, sql).bind(group.id.as_str());
        transaction
            .execute(bind_all(statement, batch.iter().map(MemberId::as_str)))
            .await?;
    }
    for batch in add.chunks(BATCH) {
        check(transaction, group, batch).await?;
        let rows: Vec<_> = (0..batch.len())
            .map(|row| format!("($1, ${})", row + 2))
            .collect();
        let rows = rows.join(", ");
        let sql = format!("INSERT INTO group_member (person_group, member) VALUES {rows}");
        let statement = Statement::new(MEMBER, sql).bind(group.id.as_str());
        let statement = bind_all(statement, batch.iter().map(MemberId::as_str));
        transaction.execute(statement).await?;
    }
    let sql = "SELECT count(*) FROM group_member WHERE person_group = $1";
    let statement = Statement::new(MEMBER, sql).bind(group.id.as_str());
    let count = first(transaction.query(statement).await?).map_or(Ok(0), |mut row| row.unsigned());
    if count? > GROUP_MEMBERS_MAX as u64 {
        return Err(StoreError::Invalid {
            what: "group",
            rule: "it may have 20000 members at most",
        });
    }
    Ok((add, remove))
}

/// Refuses members that are not there, that another identity provider answers for, or the group itself.
async fn check(
    transaction: &mut dyn Transaction,
    group: &Group,
    members: &[MemberId],
) -> Result<()> {
    let is_person = |id: &&MemberId| matches!(id, MemberId::User(_));
    let (people, groups): (Vec<_>, Vec<_>) = members.iter().partition(is_person);
    for (table, ids) in [("person", people), ("person_group", groups)] {
        if ids.is_empty() {
            continue;
        }
        let list = numbered(3, ids.len());
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE provider = $1 AND id <> $2 AND id IN ({list})"
        );
        let mut statement = Statement::new(MEMBER, sql)
            .bind(group.provider.as_deref().unwrap_or_default())
            .bind(group.id.as_str());
        for id in &ids {
            statement = statement.bind(id.as_str());
        }
        let found =
            first(transaction.query(statement).await?).map_or(Ok(0), |mut row| row.unsigned());
        if found? != ids.len() as u64 {
            return Err(StoreError::NotFound { what: MEMBER });
        }
    }
    Ok(())
}

pub(super) async fn known(
    database: &dyn Database,
    provider: &str,
    ids: &[MemberId],
) -> Result<Vec<MemberId>> {
    let mut found = BTreeSet::new();
    for batch in ids.chunks(BATCH) {
        let list = numbered(2, batch.len());
        let sql = format!(
            "SELECT id FROM person WHERE provider = $1 AND id IN ({list})
             UNION SELECT id FROM person_group WHERE provider = $1 AND id IN ({list})"
        );
        let statement = Statement::new(MEMBER, sql).bind(provider);
        let statement = bind_all(statement, batch.iter().map(MemberId::as_str));
        for mut row in database.query(statement).await? {
            found.insert(row.parsed()?);
        }
    }
    Ok(found.into_iter().collect())
}

/// All members of a group.
pub(super) async fn all(
    transaction: &mut dyn Transaction,
    group: &GroupId,
) -> Result<Vec<MemberId>> {
    let sql = "SELECT member FROM group_member WHERE person_group = $1 ORDER BY member";
    let statement = Statement::new(MEMBER, sql).bind(group.as_str());
    let rows = transaction.query(statement).await?;
    rows.into_iter().map(|mut row| row.parsed()).collect()
}

pub(super) async fn of(database: &dyn Database, groups: &[GroupId]) -> Result<Vec<Member>> {
    check_page(groups.len())?;
    let mut found = Vec::new();
    for batch in groups.chunks(BATCH) {
        let list = numbered(1, batch.len());
        let sql = format!(
            "SELECT group_member.person_group, group_member.member,
                    coalesce(person.document, person_group.document)
             FROM group_member
             LEFT JOIN person ON person.id = group_member.member
             LEFT JOIN person_group ON person_group.id = group_member.member
             WHERE group_member.person_group IN ({list})
             ORDER BY group_member.person_group, group_member.member"
        );
        let rows = database
            .query(bind_all(
                Statement::new(MEMBER, sql),
                batch.iter().map(GroupId::as_str),
            ))
            .await?;
        for row in rows {
            found.push(member(row)?);
        }
    }
    Ok(found)
}

fn member(mut row: Row) -> Result<Member> {
    #[derive(serde::Deserialize)]
    struct Named {
        display_name: String,
    }
    Ok(Member {
        group: row.parsed()?,
        id: row.parsed()?,
        display_name: row.document::<Named>()?.display_name,
    })
}

pub(super) async fn memberships(
    database: &dyn Database,
    users: &[PrincipalId],
) -> Result<Vec<(PrincipalId, Group)>> {
    check_page(users.len())?;
    let mut found = Vec::new();
    for batch in users.chunks(BATCH) {
        let list = numbered(1, batch.len());
        let sql = format!(
            "SELECT group_member.member, person_group.document, person_group.version
             FROM group_member JOIN person_group ON person_group.id = group_member.person_group
             WHERE group_member.member IN ({list})
             ORDER BY group_member.member, person_group.id"
        );
        let rows = database
            .query(bind_all(
                Statement::new(GROUP, sql),
                batch.iter().map(PrincipalId::as_str),
            ))
            .await?;
        for mut row in rows {
            found.push((row.parsed()?, groups::read(&mut row)?));
        }
    }
    Ok(found)
}

pub(super) async fn names_of(
    database: &dyn Database,
    user: &PrincipalId,
) -> Result<Vec<GroupName>> {
    // UNION drops what was found before, so that groups that hold each other end the search.
    let sql = "WITH RECURSIVE holder (id) AS (
                   SELECT person_group FROM group_member WHERE member = $1
                   UNION
                   SELECT group_member.person_group FROM group_member
                   JOIN holder ON group_member.member = holder.id)
               SELECT person_group.name FROM holder JOIN person_group ON person_group.id = holder.id
               UNION
               SELECT name FROM claimed_group WHERE person = $1
               ORDER BY 1 LIMIT $2";
    let limit = i64::try_from(GROUPS_OF_USER_MAX + 1).unwrap_or(i64::MAX);
    let statement = Statement::new(GROUP, sql).bind(user.as_str()).bind(limit);
    let rows = database.query(statement).await?;
    if rows.len() > GROUPS_OF_USER_MAX {
        return Err(StoreError::Invalid {
            what: "user",
            rule: "nobody may be in more than 2000 groups",
        });
    }
    rows.into_iter().map(|mut row| row.parsed()).collect()
}

pub(super) async fn claim(
    database: &dyn Database,
    user: &PrincipalId,
    provider: &str,
    names: &[GroupName],
) -> Result<bool> {
    if names.len() > CLAIMED_GROUPS_MAX {
        return Err(StoreError::Invalid {
            what: "groups claimed at sign-in",
            rule: "there may be 500 at most",
        });
    }
    let of = |sql: &'static str| {
        Statement::new(GROUP, sql)
            .bind(user.as_str())
            .bind(provider)
    };
    let sql = "SELECT name FROM claimed_group WHERE person = $1 AND provider = $2";
    let rows = database.query(of(sql)).await?;
    let before = rows.into_iter().map(|mut row| row.parsed());
    let before: BTreeSet<GroupName> = before.collect::<Result<_>>()?;
    let wanted: BTreeSet<GroupName> = names.iter().cloned().collect();
    if before == wanted {
        return Ok(false);
    }
    let (mut transaction, _) = begin(database, Revision::Identity).await?;
    let sql = "SELECT id FROM person WHERE id = $1";
    let statement = Statement::new(USER, sql).bind(user.as_str());
    if transaction.query(statement).await?.is_empty() {
        return Err(StoreError::NotFound { what: USER });
    }
    let sql = "DELETE FROM claimed_group WHERE person = $1 AND provider = $2";
    transaction.execute(of(sql)).await?;
    key("identity provider", provider)?;
    for name in &wanted {
        let sql = "INSERT INTO claimed_group (person, provider, name) VALUES ($1, $2, $3)";
        transaction.execute(of(sql).bind(name.as_str())).await?;
    }
    transaction.commit(true).await?;
    Ok(true)
}

fn check_page(count: usize) -> Result<()> {
    if count > PEOPLE_PAGE_MAX as usize {
        return Err(StoreError::Invalid {
            what: "ids",
            rule: "ask for 500 at most",
        });
    }
    Ok(())
}

fn bind_all<'a>(statement: Statement, ids: impl IntoIterator<Item = &'a str>) -> Statement {
    ids.into_iter().fold(statement, Statement::bind)
}
