//! Functions that catalog queries call and datafusion-pg-catalog lacks. Most have one answer in a read-only database
//! without sequences, access lists or functions of its own: [`CONSTANTS`] says which.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::datatypes::DataType;
use datafusion::{
    common::exec_err,
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility},
    scalar::ScalarValue,
};

use crate::settings::{Settings, version_text};

/// Who owns everything.
pub(super) const OWNER: &str = "wiretape";

/// What a constant function gives.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Text(&'static str),
    NullText,
    Bool(bool),
    Int(i64),
    Null(&'static DataType),
}

/// Functions with one answer, whatever they are asked.
const CONSTANTS: &[(&str, Answer)] = &[
    ("pg_get_userbyid", Answer::Text(OWNER)),
    ("pg_function_is_visible", Answer::Bool(true)),
    ("pg_type_is_visible", Answer::Bool(true)),
    ("pg_collation_is_visible", Answer::Bool(true)),
    ("pg_is_in_recovery", Answer::Bool(false)),
    ("pg_is_other_temp_schema", Answer::Bool(false)),
    ("pg_my_temp_schema", Answer::Int(0)),
    ("pg_table_size", Answer::Int(0)),
    ("pg_indexes_size", Answer::Int(0)),
    ("pg_database_size", Answer::Int(0)),
    ("pg_tablespace_size", Answer::Int(0)),
    ("pg_size_pretty", Answer::Text("0 bytes")),
    ("pg_char_to_encoding", Answer::Int(6)),
    ("pg_tablespace_location", Answer::Text("")),
    ("pg_get_viewdef", Answer::NullText),
    ("pg_get_indexdef", Answer::NullText),
    ("pg_get_functiondef", Answer::NullText),
    ("pg_get_function_result", Answer::NullText),
    ("pg_get_function_arguments", Answer::NullText),
    ("pg_get_function_identity_arguments", Answer::NullText),
    ("pg_get_serial_sequence", Answer::NullText),
    ("pg_get_triggerdef", Answer::NullText),
    ("pg_get_ruledef", Answer::NullText),
    ("obj_description", Answer::NullText),
    ("col_description", Answer::NullText),
    ("shobj_description", Answer::NullText),
    ("to_regtype", Answer::Null(&DataType::Int32)),
    ("to_regclass", Answer::Null(&DataType::Int32)),
    ("pg_advisory_unlock_all", Answer::NullText),
    ("inet_server_port", Answer::Null(&DataType::Int32)),
];

/// The constant functions.
pub(super) fn constants() -> Vec<ScalarUDF> {
    let mut all: Vec<ScalarUDF> = CONSTANTS.iter().map(|(name, answer)| constant(name, answer.value())).collect();
    all.push(constant("version", ScalarValue::Utf8(Some(version_text()))));
    all
}

/// The functions that read the session.
pub(super) fn of_session(settings: &Arc<Mutex<Settings>>) -> Vec<ScalarUDF> {
    let user = {
        let settings = settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.get("session_authorization").unwrap_or_default().to_owned()
    };
    let user = ScalarValue::Utf8(Some(user));
    let current_setting = CurrentSetting {
        settings: Arc::clone(settings),
        signature: Signature::one_of(
            vec![
                TypeSignature::Exact(vec![DataType::Utf8]),
                TypeSignature::Exact(vec![DataType::Utf8, DataType::Boolean]),
            ],
            Volatility::Stable,
        ),
    };
    vec![constant("current_user", user.clone()), constant("session_user", user), ScalarUDF::from(current_setting)]
}

impl Answer {
    fn value(self) -> ScalarValue {
        match self {
            Answer::Text(text) => ScalarValue::Utf8(Some(text.to_owned())),
            Answer::NullText => ScalarValue::Utf8(None),
            Answer::Bool(value) => ScalarValue::Boolean(Some(value)),
            Answer::Int(value) => ScalarValue::Int64(Some(value)),
            Answer::Null(data_type) => ScalarValue::try_from(data_type).unwrap_or(ScalarValue::Null),
        }
    }
}

fn constant(name: &'static str, value: ScalarValue) -> ScalarUDF {
    let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
    ScalarUDF::from(Constant { name, value, signature: Signature::one_of(any, Volatility::Stable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    name: &'static str,
    value: ScalarValue,
    signature: Signature,
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}

/// `current_setting(name [, missing_ok])`
#[derive(Debug)]
struct CurrentSetting {
    settings: Arc<Mutex<Settings>>,
    signature: Signature,
}

impl PartialEq for CurrentSetting {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.settings, &other.settings)
    }
}

impl Eq for CurrentSetting {}

impl Hash for CurrentSetting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl CurrentSetting {
    fn read(&self, name: &str, missing_ok: bool) -> Result<Option<String>> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        match settings.get(name) {
            Ok(value) => Ok(Some(value.to_owned())),
            Err(_) if missing_ok => Ok(None),
            Err(error) => exec_err!("{}", error.message),
        }
    }
}

impl ScalarUDFImpl for CurrentSetting {
    fn name(&self) -> &str {
        "current_setting"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let missing_ok = matches!(args.args.get(1), Some(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true)))));
        let read = |name: &ScalarValue| match name {
            ScalarValue::Utf8(Some(name)) => self.read(name, missing_ok).map(ScalarValue::Utf8),
            _ => Ok(ScalarValue::Utf8(None)),
        };
        match args.args.first() {
            Some(ColumnarValue::Scalar(name)) => read(name).map(ColumnarValue::Scalar),
            Some(ColumnarValue::Array(names)) => {
                let rows = (0..names.len()).map(|row| read(&ScalarValue::try_from_array(names, row)?));
                let values = rows.collect::<Result<Vec<_>>>()?;
                if values.is_empty() {
                    return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None)));
                }
                ScalarValue::iter_to_array(values).map(ColumnarValue::Array)
            }
            None => exec_err!("current_setting takes the name of a parameter"),
        }
    }
}
