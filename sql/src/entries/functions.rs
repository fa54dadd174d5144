//! The functions that KFL is lowered to where SQL has none that mean the same. They never fail on a row: what KFL calls an
//! error is NULL.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Int64Array, ListBuilder, MapBuilder, MapFieldNames,
        StringArray, StringBuilder, StringViewArray,
    },
    compute::cast,
    datatypes::{DataType, Field},
};
use datafusion::{
    common::ScalarValue,
    error::{DataFusionError, Result},
    logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use wiretape_engine::table::Kind;

use super::values::{self, Values};
use crate::{
    SqlError,
    kfl::{self, Value, pattern, vocabulary},
    udf,
};

/// All of them.
pub(crate) const FUNCTIONS: &[&Function] = &[&LIST, &MAP, &GET, &HAS, &SIZE, &MATCHES, &EVAL];

/// `kfl_list(text, …)`: those that are neither NULL nor empty, each once.
pub(super) static LIST: Function = Function { name: "kfl_list", gives: Kind::TextList, run: list };
/// `kfl_map(key, text, …)`: the keys whose text is not NULL.
static MAP: Function = Function { name: "kfl_map", gives: Kind::TextMap, run: map };
/// `kfl_get(map, key)`: the key's value; NULL without it. Values of a key that comes more than once are joined by ", ".
pub(super) static GET: Function = Function { name: "kfl_get", gives: Kind::Text, run: get };
/// `kfl_has(map, key)`: whether it has the key; false for NULL.
pub(super) static HAS: Function = Function { name: "kfl_has", gives: Kind::Bool, run: has };
/// `kfl_size(x)`: code points of a text, elements of a list, keys of a map.
pub(super) static SIZE: Function = Function { name: "kfl_size", gives: Kind::I64, run: size };
/// `kfl_matches(text, pattern)`: whether the RE2 pattern is found anywhere.
pub(super) static MATCHES: Function = Function { name: "kfl_matches", gives: Kind::Bool, run: matches };
/// `kfl_eval(filter, name, value, …)`: what a filter says of a row with these variables; others have their zero.
pub(super) static EVAL: Function = Function { name: "kfl_eval", gives: Kind::Bool, run: eval };

/// A function of any number of arguments.
#[derive(Debug)]
pub(crate) struct Function {
    name: &'static str,
    gives: Kind,
    run: fn(&ScalarFunctionArgs) -> Result<ArrayRef>,
}

impl Function {
    /// The function as DataFusion takes it.
    pub(crate) fn udf(&'static self) -> ScalarUDF {
        ScalarUDF::new_from_impl(Udf { function: self, signature: Signature::variadic_any(Volatility::Immutable) })
    }

    /// A call of it.
    pub(super) fn call(&'static self, args: Vec<Expr>) -> Expr {
        self.udf().call(args)
    }
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

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.function.gives {
            Kind::Symbol | Kind::Ip | Kind::Mac => DataType::Utf8,
            kind => kind.data_type(),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let args = ScalarFunctionArgs { number_rows: if constant { 1 } else { args.number_rows }, ..args };
        let array = (self.function.run)(&args)?;
        if constant {
            return ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// The elements of a call of `kfl_list`.
pub(super) fn list_elements(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == LIST.name => Some(&call.args),
        _ => None,
    }
}

fn array(args: &ScalarFunctionArgs, number: usize) -> Result<ArrayRef> {
    let arg = args.args.get(number).ok_or_else(|| wrong("too few arguments"))?;
    arg.to_array(args.number_rows)
}

fn texts(args: &ScalarFunctionArgs, number: usize) -> Result<StringViewArray> {
    Ok(cast(&array(args, number)?, &DataType::Utf8View)?.as_string_view().clone())
}

fn constant(args: &ScalarFunctionArgs, number: usize) -> Result<&str> {
    let arg = args.args.get(number).and_then(udf::constant_text);
    arg.ok_or_else(|| wrong("a name, key, pattern or filter has to be a constant text"))
}

fn wrong(what: &str) -> DataFusionError {
    SqlError::new("22023", what).into()
}

fn list(args: &ScalarFunctionArgs) -> Result<ArrayRef> {
    let columns = (0..args.args.len()).map(|at| texts(args, at)).collect::<Result<Vec<_>>>()?;
    let mut out = ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", DataType::Utf8, false));
    for row in 0..args.number_rows {
        let mut seen: Vec<&str> = Vec::new();
        for column in columns.iter().filter(|c| c.is_valid(row)) {
            let text = column.value(row);
            if !text.is_empty() && !seen.contains(&text) {
                seen.push(text);
                out.values().append_value(text);
            }
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

fn map(args: &ScalarFunctionArgs) -> Result<ArrayRef> {
    let columns = (0..args.args.len()).map(|at| texts(args, at)).collect::<Result<Vec<_>>>()?;
    let names = MapFieldNames { entry: "entries".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut out = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
        .with_values_field(Field::new("value", DataType::Utf8, false));
    for row in 0..args.number_rows {
        for pair in columns.chunks_exact(2) {
            let [key, value] = pair else { continue };
            if key.is_valid(row) && value.is_valid(row) {
                out.keys().append_value(key.value(row));
                out.values().append_value(value.value(row));
            }
        }
        out.append(true)?;
    }
    Ok(Arc::new(out.finish()))
}

fn get(args: &ScalarFunctionArgs) -> Result<ArrayRef> {
    let (maps, key) = (array(args, 0)?, constant(args, 1)?);
    let Some(maps) = maps.as_map_opt() else { return Err(wrong("kfl_get() takes a map")) };
    let found = (0..maps.len()).map(|row| values::value_of(maps, row, key)).collect::<Result<StringArray>>()?;
    Ok(Arc::new(found))
}

fn has(args: &ScalarFunctionArgs) -> Result<ArrayRef> {
    let found = get(args)?;
    let has: BooleanArray = (0..found.len()).map(|row| Some(found.is_valid(row))).collect();
    Ok(Arc::new(has))
}

fn size(args: &ScalarFunctionArgs) -> Result<ArrayRef> {
    let array = array(args, 0)?;
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let sizes: Int64Array = match array.data_type() {
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            (0..lists.len()).map(|row| lists.is_valid(row).then(|| i64::from(lists.value_length(row)))).collect()
        }
        DataType::Map(..) => {
            let maps = array.as_map();
            let of = |row| match maps.is_valid(row) {
                true => values::pairs(maps, row).map(|pairs| Some(number(pairs.len()))),
                false => Ok(None),
            };
            (0..maps.len()).map(of).collect::<Result<_>>()?
        }
        _ => texts(args, 0)?.iter().map(|t| t.map(|t| number(t.chars().count()))).collect(),
    };
    Ok(Arc::new(sizes))
}

fn matches(args: &ScalarFunctionArgs) -> Result<ArrayRef> {
    let pattern = pattern::compile(constant(args, 1)?).map_err(|e| wrong(&e.0))?;
    udf::per_text(&array(args, 0)?, |texts| {
        let found: BooleanArray = texts.iter().map(|t| t.map(|t| pattern.is_match(t.as_bytes()))).collect();
        Ok(Arc::new(found))
    })
}

fn eval(args: &ScalarFunctionArgs) -> Result<ArrayRef> {
    let filter = kfl::compile(constant(args, 0)?, 0).map_err(|e| wrong(&e.to_string()))?;
    let mut columns = Vec::new();
    for at in (1..args.args.len()).step_by(2) {
        let name = constant(args, at)?;
        let var = vocabulary::variable(name).ok_or_else(|| wrong(&format!("there is no variable {name}")))?;
        columns.push((var, Values::of(&array(args, at + 1)?, var.ty)?));
    }
    let mut out = BooleanBuilder::with_capacity(args.number_rows);
    let mut row_values = Vec::with_capacity(columns.len());
    for row in 0..args.number_rows {
        row_values.clear();
        for (var, values) in &columns {
            row_values.push((*var, values.value(row)?.unwrap_or_else(|| var.zero())));
        }
        let of = |var: &'static vocabulary::Var| {
            let known = row_values.iter().find(|(v, _)| std::ptr::eq(*v, var));
            known.map_or_else(|| var.zero(), |(_, value)| value.clone())
        };
        out.append_option(match kfl::eval::eval(&filter.expr, &of) {
            Ok(Value::Bool(truth)) => Some(truth),
            _ => None,
        });
    }
    Ok(Arc::new(out.finish()))
}
