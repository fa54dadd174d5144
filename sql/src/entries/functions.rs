//! The functions that KFL is lowered to where SQL has none that mean the same. They never fail on a row: what KFL calls an
//! error is NULL.

use std::sync::Arc;

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
    logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs},
};
use wiretape_engine::table::Kind;

use super::values::{self, Values};
use crate::{
    SqlError,
    kfl::{self, Value, pattern, vocabulary},
    udf::{self, Function, Gives, Takes},
};

/// All of them.
pub(crate) const FUNCTIONS: &[&Function] = &[&LIST, &MAP, &GET, &HAS, &SIZE, &MATCHES, &EVAL];

/// `kfl_list(text, …)`: those that are neither NULL nor empty, each once.
pub(super) static LIST: Function = function("kfl_list", Kind::TextList, |args| per_row(args, list));
/// `kfl_map(key, text, …)`: the keys whose text is not NULL.
static MAP: Function = function("kfl_map", Kind::TextMap, |args| per_row(args, map));
/// `kfl_get(map, key)`: the key's value; NULL without it. Values of a key that comes more than once are joined by ", ".
pub(super) static GET: Function = function("kfl_get", Kind::Text, |args| per_row(args, get));
/// `kfl_has(map, key)`: whether it has the key; false for NULL.
pub(super) static HAS: Function = function("kfl_has", Kind::Bool, |args| per_row(args, has));
/// `kfl_size(x)`: code points of a text, elements of a list, keys of a map.
pub(super) static SIZE: Function = function("kfl_size", Kind::I64, |args| per_row(args, size));
/// `kfl_matches(text, pattern)`: whether the RE2 pattern is found anywhere.
pub(super) static MATCHES: Function = function("kfl_matches", Kind::Bool, |args| per_row(args, matches));
/// `kfl_eval(filter, name, value, …)`: what a filter says of a row with these variables; others have their zero.
pub(super) static EVAL: Function = function("kfl_eval", Kind::Bool, |args| per_row(args, eval));

/// A function of any number of arguments of any type.
const fn function(name: &'static str, gives: Kind, run: fn(&ScalarFunctionArgs) -> Result<ColumnarValue>) -> Function {
    Function { name, takes: &[Takes::Anything], gives: Gives::Kind(gives), monotonic_in: None, run }
}

/// The result of `run` for each row, or once where all arguments are constant.
fn per_row(args: &ScalarFunctionArgs, run: fn(&ScalarFunctionArgs) -> Result<ArrayRef>) -> Result<ColumnarValue> {
    if args.args.iter().any(|a| matches!(a, ColumnarValue::Array(_))) {
        return run(args).map(ColumnarValue::Array);
    }
    let array = run(&ScalarFunctionArgs { number_rows: 1, ..args.clone() })?;
    ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar)
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
