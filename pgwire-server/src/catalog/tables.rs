//! What `pg_catalog` lists: the tables of the database's schemas, by the schemas' own word. No data is read.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProviderList, SchemaProvider},
    datasource::TableType,
    error::DataFusionError,
};
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;

/// The tables clients may list.
#[derive(Debug, Clone)]
pub(super) struct Tables(pub(super) Arc<dyn CatalogProviderList>);

impl Tables {
    fn schema(&self, catalog: &str, schema: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.0.catalog(catalog)?.schema(schema)
    }
}

#[async_trait]
impl CatalogInfo for Tables {
    async fn catalog_names(&self) -> Result<Vec<String>, DataFusionError> {
        Ok(CatalogProviderList::catalog_names(self.0.as_ref()))
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        Ok(self.0.catalog(catalog).map(|catalog| catalog.schema_names()))
    }

    async fn table_names(&self, catalog: &str, schema: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        Ok(self.schema(catalog, schema).map(|schema| schema.table_names()))
    }

    async fn table_schema(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<SchemaRef>, DataFusionError> {
        let Some(schema) = self.schema(catalog, schema) else { return Ok(None) };
        Ok(schema.table(table).await?.map(|table| table.schema()))
    }

    /// All are tables to a client, also those that are put together when asked (`flows`): `\dt` hides views, and tools
    /// offer them apart.
    async fn table_type(&self, catalog: &str, schema: &str, table: &str) -> Result<Option<TableType>, DataFusionError> {
        let exists = self.schema(catalog, schema).is_some_and(|schema| schema.table_exist(table));
        Ok(exists.then_some(TableType::Base))
    }
}
