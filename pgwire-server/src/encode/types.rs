//! Which PostgreSQL type an Arrow type is shown as. Only built-in OIDs are used, because clients turn unknown ones into
//! strings or ask the catalog about them. It does not convert values: see [`super::reader`].

use arrow::datatypes::{DataType, Field, Schema};
use pgwire::api::Type;

/// The field metadata key by which datafusion-pg-catalog marks its `oid` columns.
const OID_ALIAS_KEY: &str = "pg.oid_alias";

/// One output column: its name as the client sees it and its PostgreSQL type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) pg_type: Type,
}

impl Column {
    pub(crate) fn new(name: &str, pg_type: Type) -> Self {
        Self { name: name.to_owned(), pg_type }
    }

    /// The column an Arrow field becomes.
    fn of_field(field: &Field) -> Self {
        let is_oid = field.metadata().contains_key(OID_ALIAS_KEY) && field.data_type() == &DataType::Int32;
        Self::new(field.name(), if is_oid { Type::OID } else { pg_type(field.data_type()) })
    }
}

/// The columns that rows of `schema` become.
pub(crate) fn columns(schema: &Schema) -> Vec<Column> {
    schema.fields().iter().map(|field| Column::of_field(field)).collect()
}

/// The PostgreSQL type of an Arrow type. Unsigned integers take the next wider signed type; `UInt64` stays `int8`,
/// because a `numeric` would cost every count and rank its binary form.
pub(crate) fn pg_type(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Type::INT2,
        DataType::Int32 | DataType::UInt16 => Type::INT4,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Type::INT8,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Type::NUMERIC
        }
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Dictionary(_, values) => pg_type(values),
        DataType::RunEndEncoded(_, values) => pg_type(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => array_of(&pg_type(item.data_type())),
        DataType::Struct(_) | DataType::Map(..) => Type::JSON,
        _ => Type::TEXT,
    }
}

/// The array type of an element type. Arrays of arrays have no type of their own in PostgreSQL; they are sent as JSON.
fn array_of(element: &Type) -> Type {
    match *element {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::TEXT => Type::TEXT_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        _ => Type::JSON,
    }
}

/// `pg_type.typlen`: the width in bytes, or -1 when values vary.
pub(crate) fn type_len(pg_type: &Type) -> i16 {
    match *pg_type {
        Type::BOOL => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        _ => -1,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn unsigned_integers_take_the_next_wider_signed_type() {
        assert_eq!(pg_type(&DataType::UInt8), Type::INT2);
        assert_eq!(pg_type(&DataType::UInt16), Type::INT4);
        assert_eq!(pg_type(&DataType::UInt32), Type::INT8);
    }

    #[test]
    fn a_dictionary_is_shown_as_its_values() {
        let symbols = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        assert_eq!(pg_type(&symbols), Type::TEXT);
        let list = DataType::List(Arc::new(Field::new("item", symbols, true)));
        assert_eq!(pg_type(&list), Type::TEXT_ARRAY);
    }
}
