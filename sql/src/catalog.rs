//! Which tables SQL sees, and at which version of the database.
//!
//! A session's own catalog always shows the newest version: that is what catalog browsers read. A statement is planned
//! over [`pinned`] catalogs instead, in which every table is of one [`View`], so that a join of two tables never sees
//! two versions. Schemas that somebody else registered (`pg_catalog`) pass through.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProvider, SchemaProvider, TableProvider},
    error::{DataFusionError, Result},
};
use wiretape_engine::{ColumnDef, ColumnGroup, TableDef, View};

use crate::{
    Database,
    config::ScanOptions,
    entries,
    system::{self, Facts},
    table::{self, CALL_ID, FLOW_ID, PACKET_ID, grouped},
};

/// The one catalog.
pub const CATALOG: &str = "wiretape";
/// The schema of the packet tables.
pub const PUBLIC: &str = "public";
/// The schema that says what is stored.
pub const SYSTEM: &str = "system";

/// The columns that name rows. A table's key is the first of these that it has: packets and calls name their flow as well.
const KEYS: [&str; 3] = [PACKET_ID, CALL_ID, FLOW_ID];

/// A table or view whose rows have a key.
#[derive(Debug, Clone)]
pub(crate) struct KeyedTable {
    /// Its name in SQL.
    pub(crate) name: &'static str,
    /// Its columns as SQL shows them.
    pub(crate) columns: Vec<ColumnDef>,
    /// The column that names one row.
    pub(crate) key: &'static str,
}

/// Which version of the database a schema shows.
#[derive(Debug, Clone)]
pub(crate) enum Version {
    /// Whichever is newest at the time of asking.
    Newest,
    /// This one.
    Pinned(Arc<View>),
}

/// What the schemas need to make a table.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) database: Arc<Database>,
    pub(crate) version: Version,
    pub(crate) options: ScanOptions,
    /// The statement that is planned.
    pub(crate) planning: Planning,
}

/// What is known of a statement that is planned, and what is to be told of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Planning {
    /// Its `now()`, ns since the epoch.
    pub(crate) now_ns: i64,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Planning {
    /// A statement that is planned at `now_ns`.
    pub(crate) fn at(now_ns: i64) -> Planning {
        Planning { now_ns, ..Planning::default() }
    }

    /// Something that the user should know, once.
    pub(crate) fn notice(&self, text: Option<String>) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = text.filter(|text| !notices.contains(text)) {
            notices.push(text);
        }
    }

    /// What the user should know.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Source {
    /// The version that it shows.
    pub(crate) fn view(&self) -> Result<Arc<View>> {
        match &self.version {
            Version::Newest => self.database.db().view().map_err(|e| DataFusionError::External(Box::new(e))),
            Version::Pinned(view) => Ok(Arc::clone(view)),
        }
    }

    /// Every table that is stored.
    pub(crate) fn tables(&self) -> &'static [&'static TableDef] {
        self.database.db().tables()
    }

    /// The stored tables of the schema `system`, or of the public one.
    fn stored(&self, system: bool) -> impl Iterator<Item = &'static TableDef> {
        self.database.db().tables().iter().copied().filter(move |t| t.system == system)
    }

    /// The views over several stored tables, in the public schema.
    fn groups(&self) -> Vec<&'static ColumnGroup> {
        grouped::groups(self.database.db().tables())
    }

    /// A table or view of the public schema.
    pub(crate) fn public_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.stored_table(false, name)
    }

    /// The tables and views of the public schema that have a column which names one row; views before the tables that they
    /// are of.
    pub(crate) fn keyed_tables(&self) -> Vec<KeyedTable> {
        let views = self.groups().into_iter().map(|group| (group.view, grouped::columns(group)));
        let tables = self.stored(false).map(|table| (table.name, table::shown_columns(table)));
        let key = |columns: &[ColumnDef]| KEYS.iter().copied().find(|key| columns.iter().any(|c| c.name == *key));
        let keyed = |(name, columns): (_, Vec<ColumnDef>)| key(&columns).map(|key| KeyedTable { name, columns, key });
        views.chain(tables).filter_map(keyed).collect()
    }

    /// Whether rows of any table are entries.
    fn has_entries(&self) -> bool {
        self.tables().iter().any(|t| !t.entries.is_empty())
    }

    fn stored_table(&self, system: bool, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.stored(system).find(|t| t.name == name) {
            Some(def) => table::provider(&self.view()?, def, self.options).map(Some),
            None if system => Ok(None),
            None if name == entries::ENTRIES && self.has_entries() => entries::all(self).map(Some),
            None => match self.groups().into_iter().find(|g| g.view == name) {
                Some(group) => grouped::view(&self.view()?, group, self.database.db().tables(), self.options).map(Some),
                None => Ok(None),
            },
        }
    }
}

/// The catalog of a new session.
pub(crate) fn newest(source: &Source) -> Arc<dyn CatalogProvider> {
    let catalog = MemoryCatalogProvider::new();
    let schemas: [(&str, Arc<dyn SchemaProvider>); 2] =
        [(PUBLIC, Arc::new(PublicSchema(source.clone()))), (SYSTEM, Arc::new(SystemSchema(source.clone())))];
    for (name, schema) in schemas {
        catalog.register_schema(name, schema).expect("a catalog in memory takes any schema");
    }
    Arc::new(catalog)
}

/// `below` with our own schemas as of the version in `source`.
pub(crate) fn pinned(below: &Arc<dyn CatalogProviderList>, source: Source) -> Arc<dyn CatalogProviderList> {
    Arc::new(PinnedList { below: Arc::clone(below), source })
}

#[derive(Debug)]
struct PinnedList {
    below: Arc<dyn CatalogProviderList>,
    source: Source,
}

impl CatalogProviderList for PinnedList {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None // a statement changes no catalog
    }

    fn catalog_names(&self) -> Vec<String> {
        self.below.catalog_names()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let below = self.below.catalog(name)?;
        if name == CATALOG { Some(Arc::new(Pinned { below, source: self.source.clone() })) } else { Some(below) }
    }
}

#[derive(Debug)]
struct Pinned {
    below: Arc<dyn CatalogProvider>,
    source: Source,
}

impl CatalogProvider for Pinned {
    fn schema_names(&self) -> Vec<String> {
        self.below.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            PUBLIC => Some(Arc::new(PublicSchema(self.source.clone()))),
            SYSTEM => Some(Arc::new(SystemSchema(self.source.clone()))),
            _ => self.below.schema(name),
        }
    }
}

#[derive(Debug)]
struct PublicSchema(Source);

#[async_trait]
impl SchemaProvider for PublicSchema {
    fn table_names(&self) -> Vec<String> {
        let entries = self.0.has_entries().then_some(entries::ENTRIES);
        let views = self.0.groups().into_iter().map(|g| g.view).chain(entries);
        self.0.stored(false).map(|t| t.name).chain(views).map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.0.stored_table(false, name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.0.stored(false).any(|t| t.name == name)
            || self.0.groups().iter().any(|g| g.view == name)
            || name == entries::ENTRIES && self.0.has_entries()
    }
}

#[derive(Debug)]
struct SystemSchema(Source);

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        let made = system::SYSTEM_TABLES.iter().map(|t| t.name);
        made.chain(self.0.stored(true).map(|t| t.name)).map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match system::SYSTEM_TABLES.iter().find(|t| t.name == name) {
            Some(def) => {
                let view = self.0.view()?;
                let Source { database, options, .. } = &self.0;
                let facts =
                    Facts { tables: database.db().tables(), view: &view, config: database.config(), options: *options };
                def.provider(&facts).map(Some)
            }
            None => self.0.stored_table(true, name),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        system::SYSTEM_TABLES.iter().any(|t| t.name == name) || self.0.stored(true).any(|t| t.name == name)
    }
}
