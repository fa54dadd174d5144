//! What clients ask `pg_catalog` for. The tables and most functions are datafusion-pg-catalog's, as is the rewriting of
//! catalog queries into what DataFusion can plan; [`functions`] adds what is missing there. Names and column types come
//! from the schemas, never from data.
//!
//! One provider serves all connections, so that a table has the same OID in each.

mod functions;
mod rewrite;
mod roles;
mod tables;
mod views;

use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use async_trait::async_trait;
use datafusion::{
    catalog::{SchemaProvider, TableProvider},
    common::plan_err,
    error::{DataFusionError, Result},
    execution::{context::SessionContext, session_state::SessionStateBuilder},
    logical_expr::ScalarUDF,
    sql::sqlparser::ast::Statement,
};
use datafusion_pg_catalog::{
    pg_catalog::{
        PgCatalogSchemaProvider, PgCatalogStaticTables, array_bounds_udf, create_current_database_udf,
        create_current_schema_udf, create_current_schemas_udf, create_pg_backend_pid_udf,
        create_pg_encoding_to_char_udf, create_pg_get_constraintdef, create_pg_get_partition_ancestors_udf,
        create_pg_get_partkeydef_udf, create_pg_get_statisticsobjdef_columns_udf,
        create_pg_relation_is_publishable_udf, create_pg_relation_size_udf, create_pg_stat_get_numscans,
        create_pg_table_is_visible, create_pg_total_relation_size_udf, format_type,
        generate_series_arg_coercion::CoerceIntArgsToBigInt, has_privilege_udf::create_has_privilege_udf,
        oid_type_planner::PgOidTypePlanner, pg_get_expr_udf, quote_ident_udf,
    },
    sql::PostgresCompatibilityParser,
};
use wiretape_sql::{CATALOG, Comment, Database};

use roles::Roles;
use tables::Tables;

use crate::{error::PgError, script::Piece, settings::Settings};

const PG_CATALOG: &str = "pg_catalog";

type PgProvider = PgCatalogSchemaProvider<Tables, Roles>;

/// The catalog of a server.
#[derive(Debug)]
pub(crate) struct Catalog {
    schema: Arc<LazySchema>,
    functions: Vec<Arc<ScalarUDF>>,
}

impl Catalog {
    /// The catalog of `database`.
    pub(crate) fn new(database: &Arc<Database>) -> Self {
        // A session that no client has: the schemas it lists are those every session sees.
        let tables = Tables(Arc::clone(database.session().context().state().catalog_list()));
        let schema = Arc::new(LazySchema { tables, comments: database.comments(), loaded: OnceLock::new() });
        Self { schema, functions: shared_functions().into_iter().map(Arc::new).collect() }
    }

    /// Lets `context` see the catalog. `settings` are what `current_setting` reads.
    pub(crate) fn install(&self, context: &SessionContext, settings: &Arc<Mutex<Settings>>) -> Result<(), PgError> {
        let failed = |error: DataFusionError| PgError::internal(&error.to_string());
        if let Some(catalog) = context.catalog(CATALOG) {
            catalog.register_schema(PG_CATALOG, Arc::clone(&self.schema) as Arc<dyn SchemaProvider>).map_err(failed)?;
        }
        for function in &self.functions {
            context.register_udf(function.as_ref().clone());
        }
        for function in functions::of_session(settings) {
            context.register_udf(function);
        }
        let state = context.state_ref();
        let existing = state.read().clone();
        *state.write() =
            SessionStateBuilder::new_from_existing(existing).with_type_planner(Arc::new(PgOidTypePlanner)).build();
        CoerceIntArgsToBigInt::widen(context);
        Ok(())
    }
}

/// The statement to plan instead of `piece`, when it asks the catalog: DataFusion cannot plan what clients send as it
/// is. Positions of errors do not survive this.
pub(crate) fn rewritten(piece: &Piece) -> Option<Statement> {
    static PARSER: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);
    let about_catalog = |word: &str| {
        word.starts_with("pg_")
            || matches!(
                word,
                "information_schema"
                    | "regclass"
                    | "regtype"
                    | "regproc"
                    | "regnamespace"
                    | "current_user"
                    | "session_user"
            )
    };
    if piece.words().take("copy") || piece.words().take("explain") || !piece.any_word(about_catalog) {
        return None;
    }
    let mut statements = PARSER.parse(&piece.text).ok()?;
    match (statements.pop(), statements.is_empty()) {
        (Some(mut statement @ Statement::Query(_)), true) => {
            rewrite::rewrite(&mut statement);
            Some(statement)
        }
        _ => None,
    }
}

/// The functions that are the same in every session.
fn shared_functions() -> Vec<ScalarUDF> {
    let mut all = vec![
        create_current_database_udf(CATALOG),
        create_current_schema_udf(),
        create_current_schemas_udf(),
        create_pg_table_is_visible(),
        format_type::create_format_type_udf(),
        pg_get_expr_udf::create_pg_get_expr_udf(),
        create_pg_get_partkeydef_udf(),
        create_pg_relation_is_publishable_udf(),
        create_pg_get_statisticsobjdef_columns_udf(),
        create_pg_encoding_to_char_udf(),
        create_pg_backend_pid_udf(),
        create_pg_relation_size_udf(),
        create_pg_total_relation_size_udf(),
        create_pg_stat_get_numscans(),
        create_pg_get_constraintdef(),
        create_pg_get_partition_ancestors_udf(),
        quote_ident_udf::create_quote_ident_udf(),
        quote_ident_udf::create_parse_ident_udf(),
        array_bounds_udf::create_array_upper_udf(),
        array_bounds_udf::create_array_lower_udf(),
    ];
    let privileges =
        ["has_table_privilege", "has_schema_privilege", "has_database_privilege", "has_any_column_privilege"];
    all.extend(privileges.map(create_has_privilege_udf));
    all.extend(functions::constants());
    all
}

/// `pg_catalog`, read from its embedded tables when somebody first asks for it: most connections never do.
struct LazySchema {
    tables: Tables,
    comments: Vec<Comment>,
    loaded: OnceLock<Result<PgProvider, String>>,
}

impl std::fmt::Debug for LazySchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LazySchema").field("loaded", &self.loaded.get().is_some()).finish_non_exhaustive()
    }
}

impl LazySchema {
    fn get(&self) -> Result<&PgProvider> {
        let loaded = self.loaded.get_or_init(|| {
            let embedded = Arc::new(PgCatalogStaticTables::try_new().map_err(|error| error.to_string())?);
            PgCatalogSchemaProvider::try_new(self.tables.clone(), embedded, Roles).map_err(|error| error.to_string())
        });
        loaded.as_ref().map_err(|error| DataFusionError::Internal(error.clone()))
    }
}

#[async_trait]
impl SchemaProvider for LazySchema {
    fn table_names(&self) -> Vec<String> {
        self.get().map(SchemaProvider::table_names).unwrap_or_default()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let existing = async |name| match self.get()?.table(name).await? {
            Some(table) => Ok(table),
            None => plan_err!("pg_catalog lacks {name}"),
        };
        match name {
            "pg_class" => views::pg_class(existing(name).await?).map(Some),
            "pg_description" => {
                let (class, namespace) = (existing("pg_class").await?, existing("pg_namespace").await?);
                views::pg_description(&self.comments, class, namespace).map(Some)
            }
            _ => self.get()?.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.get().is_ok_and(|schema| schema.table_exist(name))
    }
}
