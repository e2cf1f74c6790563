//! Between our statements and rows and those of the driver: the same for both databases.

use sqlx::database::Database;
use sqlx::query::Query;
use sqlx::{Arguments as _, ColumnIndex, Decode, Encode, IntoArguments, Row as _, Type};
use sqlx::{TypeInfo as _, ValueRef as _};

use crate::database::{Cell, Param, Row, Statement, check, sql_text};
use crate::error::{Result, StoreError};

/// A statement as the driver takes it.
pub(crate) fn prepare<D>(statement: Statement) -> Result<Query<'static, D, D::Arguments>>
where
    D: Database<Arguments: IntoArguments<D>>,
    Option<i64>: Encode<'static, D> + Type<D>,
    Option<String>: Encode<'static, D> + Type<D>,
    Option<Vec<u8>>: Encode<'static, D> + Type<D>,
{
    check(&statement)?;
    let mut arguments = D::Arguments::default();
    for param in statement.params {
        match param {
            Param::Int(value) => arguments.add(value),
            Param::Text(value) => arguments.add(value),
            Param::Blob(value) => arguments.add(value),
        }
        .map_err(StoreError::Unavailable)?;
    }
    Ok(sqlx::query_with(sql_text(statement.sql), arguments))
}

/// Rows as we take them.
pub(crate) fn read_all<D>(what: &'static str, rows: &[D::Row]) -> Result<Vec<Row>>
where
    D: Database,
    usize: ColumnIndex<D::Row>,
    for<'r> i64: Decode<'r, D>,
    for<'r> String: Decode<'r, D>,
{
    rows.iter().map(|row| read::<D>(what, row)).collect()
}

fn read<D>(what: &'static str, row: &D::Row) -> Result<Row>
where
    D: Database,
    usize: ColumnIndex<D::Row>,
    for<'r> i64: Decode<'r, D>,
    for<'r> String: Decode<'r, D>,
{
    let cell = |index: usize| -> Result<Cell> {
        let value = row.try_get_raw(index)?;
        if value.is_null() {
            return Ok(Cell::Null);
        }
        Ok(match value.type_info().name() {
            "INTEGER" | "INT8" => Cell::Int(row.try_get_unchecked(index)?),
            "TEXT" => Cell::Text(row.try_get_unchecked(index)?),
            _ => return Err(StoreError::corrupt(what, "a column of an unknown type")),
        })
    };
    let cells = (0..row.len()).map(cell).collect::<Result<_>>()?;
    Ok(Row::new(what, cells))
}
