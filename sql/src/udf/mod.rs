//! Functions of this field, one file each; [`UDFS`] is the list.
//!
//! A [`Function`] says what it takes and gives, and how. NULL in gives NULL out. Arguments of text come as plain, view
//! or dictionary arrays; [`per_text`] evaluates a dictionary's values once each.

mod entropy;
mod has_tcp_flag;
mod ip_in_cidr;
mod is_private_ip;
mod length;
mod one_of;
mod tcp_flags_text;
mod time_bucket;

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, StringViewArray},
    compute::{cast, take},
    datatypes::{DataType, IntervalUnit, TimeUnit},
};
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        sort_properties::{ExprProperties, SortProperties},
    },
};

use wiretape_engine::table::Kind;

use crate::SqlError;

pub(crate) use one_of::one_of;

/// Every scalar function that needs nothing but its arguments.
pub(crate) const UDFS: &[&Function] = &[
    &entropy::ENTROPY,
    &has_tcp_flag::HAS_TCP_FLAG,
    &ip_in_cidr::IP_IN_CIDR,
    &is_private_ip::IS_PRIVATE_IP,
    &length::LENGTH,
    &length::OCTET_LENGTH,
    &tcp_flags_text::TCP_FLAGS_TEXT,
    &time_bucket::TIME_BUCKET,
];

/// A scalar function: the same arguments always give the same result.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name in SQL.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: &'static [Takes],
    /// What it gives.
    pub(crate) gives: Gives,
    /// The argument in whose order results are, when all others are constant.
    pub(crate) monotonic_in: Option<usize>,
    /// Evaluates it; arguments are of the types that `takes` says.
    pub(crate) run: fn(&ScalarFunctionArgs) -> Result<ColumnarValue>,
}

/// A kind of argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Alone: any number of arguments of any type.
    Anything,
    /// Text in any layout.
    Text,
    /// Text or bytes in any layout.
    Bytes,
    /// An integer, as 64 bits.
    Integer,
    /// A span of time.
    Interval,
    /// A point in time, as nanoseconds.
    Time,
}

/// The type of a result.
#[derive(Debug)]
pub(crate) enum Gives {
    /// Always this.
    Type(DataType),
    /// What columns of this kind give, as plain arrays.
    Kind(Kind),
    /// That of an argument.
    Argument(usize),
}

impl Takes {
    /// The type that an argument of type `given` is cast to, if it can be one.
    fn coerce(self, given: &DataType) -> Option<DataType> {
        use DataType as D;
        let text = |t: &DataType| matches!(t, D::Utf8 | D::LargeUtf8 | D::Utf8View);
        match (self, given) {
            (Takes::Anything, given) => Some(given.clone()),
            (Takes::Text | Takes::Bytes, D::Null) => Some(D::Utf8),
            (Takes::Text | Takes::Bytes, given) if text(given) => Some(given.clone()),
            (Takes::Text | Takes::Bytes, D::Dictionary(_, values)) if text(values) => Some(given.clone()),
            (Takes::Bytes, D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_)) => Some(given.clone()),
            (Takes::Integer, D::Null) => Some(D::Int64),
            (Takes::Integer, given) if given.is_integer() => Some(D::Int64),
            (Takes::Interval, D::Null | D::Interval(_)) => Some(D::Interval(IntervalUnit::MonthDayNano)),
            (Takes::Interval, given) if text(given) => Some(D::Interval(IntervalUnit::MonthDayNano)),
            (Takes::Time, D::Timestamp(_, zone)) => Some(D::Timestamp(TimeUnit::Nanosecond, zone.clone())),
            (Takes::Time, D::Date32 | D::Date64) => Some(D::Timestamp(TimeUnit::Nanosecond, None)),
            (Takes::Time, given) if *given == D::Null || text(given) => {
                Some(D::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC"))))
            }
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Takes::Anything => "…",
            Takes::Text => "text",
            Takes::Bytes => "text or bytea",
            Takes::Integer => "bigint",
            Takes::Interval => "interval",
            Takes::Time => "timestamptz",
        }
    }
}

impl Function {
    /// The function as DataFusion takes it.
    pub(crate) fn udf(&'static self) -> ScalarUDF {
        ScalarUDF::new_from_impl(Udf { function: self, signature: Signature::user_defined(Volatility::Immutable) })
    }

    /// A call of it.
    pub(crate) fn call(&'static self, args: Vec<Expr>) -> Expr {
        self.udf().call(args)
    }

    fn usage(&self) -> String {
        let takes: Vec<&str> = self.takes.iter().map(|t| t.name()).collect();
        format!("It is {}({}).", self.name, takes.join(", "))
    }
}

/// Whether an address is in a network.
pub(crate) fn ip_in_cidr(address: Expr, network: Expr) -> Expr {
    ip_in_cidr::IP_IN_CIDR.call(vec![address, network])
}

/// What the function called `name` takes, as a sentence.
pub(crate) fn usage(name: &str) -> Option<String> {
    UDFS.iter().find(|f| f.name == name).map(|f| f.usage())
}

#[derive(Debug)]
struct Udf {
    function: &'static Function,
    signature: Signature,
}

impl PartialEq for Udf {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Udf {}

impl Hash for Udf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Udf {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match &self.function.gives {
            Gives::Type(fixed) => Ok(fixed.clone()),
            Gives::Kind(Kind::Symbol | Kind::Ip | Kind::Mac) => Ok(DataType::Utf8),
            Gives::Kind(kind) => Ok(kind.data_type()),
            Gives::Argument(number) => given.get(*number).cloned().ok_or_else(|| wrong_arguments(self.function, given)),
        }
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let takes = self.function.takes;
        if let [Takes::Anything] = takes {
            return Ok(given.to_vec());
        }
        let coerced: Option<Vec<DataType>> =
            takes.iter().zip(given).map(|(takes, given)| takes.coerce(given)).collect();
        coerced.filter(|_| takes.len() == given.len()).ok_or_else(|| wrong_arguments(self.function, given))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        (self.function.run)(&args)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let Some(number) = self.function.monotonic_in else { return Ok(SortProperties::Unordered) };
        let constant = |p: &ExprProperties| p.sort_properties == SortProperties::Singleton;
        let others_constant = inputs.iter().enumerate().all(|(i, p)| i == number || constant(p));
        match inputs.get(number) {
            Some(argument) if others_constant => Ok(argument.sort_properties),
            _ => Ok(SortProperties::Unordered),
        }
    }
}

fn wrong_arguments(function: &Function, given: &[DataType]) -> DataFusionError {
    let given: Vec<&str> = given.iter().map(sql_name).collect();
    SqlError::new("42883", format!("function {}({}) does not exist", function.name, given.join(", "))).into()
}

/// PostgreSQL's name of a type, for messages.
fn sql_name(data_type: &DataType) -> &'static str {
    use DataType as D;
    match data_type {
        D::Dictionary(_, values) => sql_name(values),
        D::Utf8 | D::LargeUtf8 | D::Utf8View => "text",
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => "bytea",
        D::Int8 | D::UInt8 | D::Int16 => "smallint",
        D::UInt16 | D::Int32 => "integer",
        D::UInt32 | D::Int64 | D::UInt64 => "bigint",
        D::Float16 | D::Float32 => "real",
        D::Float64 => "double precision",
        D::Boolean => "boolean",
        D::Timestamp(_, Some(_)) => "timestamptz",
        D::Timestamp(_, None) => "timestamp",
        D::Date32 | D::Date64 => "date",
        D::Interval(_) | D::Duration(_) => "interval",
        D::Null => "unknown",
        _ => "another type",
    }
}

/// The argument at `number`.
fn argument(args: &ScalarFunctionArgs, number: usize) -> Result<&ColumnarValue> {
    args.args.get(number).ok_or_else(|| DataFusionError::Internal(format!("no argument {number}")))
}

/// Evaluates `f` over `value`, once for a constant.
fn map(value: &ColumnarValue, f: impl Fn(&ArrayRef) -> Result<ArrayRef>) -> Result<ColumnarValue> {
    match value {
        ColumnarValue::Array(array) => f(array).map(ColumnarValue::Array),
        ColumnarValue::Scalar(scalar) => {
            let result = f(&scalar.to_array()?)?;
            datafusion::scalar::ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar)
        }
    }
}

/// Evaluates `f` over text in any layout: over a dictionary's values rather than its rows, when those are fewer.
pub(crate) fn per_text(array: &ArrayRef, f: impl Fn(&StringViewArray) -> Result<ArrayRef>) -> Result<ArrayRef> {
    if let Some(dictionary) = array.as_any_dictionary_opt()
        && dictionary.values().len() <= dictionary.len()
    {
        let of_values = f(cast(dictionary.values(), &DataType::Utf8View)?.as_string_view())?;
        return Ok(take(&of_values, dictionary.keys(), None)?);
    }
    f(cast(array, &DataType::Utf8View)?.as_string_view())
}

/// The text of a constant argument; `None` for NULL or an argument that is none.
pub(crate) fn constant_text(value: &ColumnarValue) -> Option<&str> {
    match value {
        ColumnarValue::Scalar(scalar) => scalar.try_as_str().flatten(),
        ColumnarValue::Array(_) => None,
    }
}

/// Both arguments as arrays of `rows` rows of text.
fn two_texts(args: &ScalarFunctionArgs) -> Result<(ArrayRef, ArrayRef)> {
    let text = |number| -> Result<ArrayRef> {
        let array = argument(args, number)?.to_array(args.number_rows)?;
        Ok(cast(&array, &DataType::Utf8View)?)
    };
    Ok((text(0)?, text(1)?))
}
