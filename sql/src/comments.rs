//! What tables and columns mean, as their declarations say it: for catalogs that show it to people.

use crate::{
    Database, PUBLIC, SYSTEM,
    system::SYSTEM_TABLES,
    table::{grouped, shown_columns},
};

/// A comment on a table or on one of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The table's schema.
    pub schema: &'static str,
    /// The table.
    pub table: &'static str,
    /// The column's place in its table, from 1; 0 for the table itself.
    pub column: usize,
    /// A sentence or two.
    pub text: &'static str,
}

impl Database {
    /// The comments on all tables, and on the columns of those that hold packets and what is made of them.
    pub fn comments(&self) -> Vec<Comment> {
        let mut comments = Vec::new();
        for table in self.db().tables() {
            let on = |column, text| Comment { schema: PUBLIC, table: table.name, column, text };
            comments.push(on(0, table.comment));
            comments.extend((1..).zip(shown_columns(table)).map(|(place, column)| on(place, column.comment)));
        }
        for group in grouped::groups(self.db().tables()) {
            let on = |column, text| Comment { schema: PUBLIC, table: group.view, column, text };
            comments.push(on(0, group.comment));
            comments.extend((1..).zip(grouped::columns(group)).map(|(place, column)| on(place, column.comment)));
        }
        let system = |table: &&crate::system::SystemTable| Comment {
            schema: SYSTEM,
            table: table.name,
            column: 0,
            text: table.comment,
        };
        comments.extend(SYSTEM_TABLES.iter().map(system));
        comments
    }
}
