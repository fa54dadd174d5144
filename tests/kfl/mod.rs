//! KFL over the tables: plans select exactly the entries that the language's own evaluator, row by row, says.

mod cases;
mod facts;
mod generator;
mod identity;
mod oracle;
mod store;

use std::collections::BTreeSet;

use wiretape::sql::Session;

use crate::support::store::{RUNTIME, batches, rows};
use oracle::Entries;
use store::STORE;

/// Entries that a query over `kfl('…')` gives, as [`Entries`] names them.
fn selected(session: &Session, filter: &str) -> BTreeSet<String> {
    let quoted = filter.replace('\'', "''");
    let sql = format!("select entry, coalesce(call_id, first_packet_id, flow_id) from kfl('{quoted}')");
    rows(session, &sql).into_iter().map(|row| format!("{} {}", row[0], row[1])).collect()
}

/// Holds a filter's plan, with and without the index, against the evaluator; gives the entries that it selects.
fn hold(entries: &Entries, filter: &str) -> BTreeSet<String> {
    let expected = entries.selected(filter);
    for use_index in [true, false] {
        let session = STORE.session();
        session.set_use_index(use_index);
        assert_eq!(selected(&session, filter), expected, "{filter} with use_index = {use_index}");
    }
    expected
}

/// Every expression of the reference list selects what it should and nothing else, and tells entries apart.
#[test]
fn every_known_expression_selects_what_the_evaluator_does() {
    let entries = Entries::all(&STORE.session());
    for (name, filter) in cases::CASES {
        let found = hold(&entries, filter);
        assert!(!found.is_empty(), "{name}: {filter} selects nothing");
        let selects_all = cases::SELECT_ALL.contains(name);
        assert_eq!(
            found.len() == entries.len(),
            selects_all,
            "{name}: {filter} selects {} of {}",
            found.len(),
            entries.len()
        );
    }
}

/// What is no filter is refused at its place in the SQL text, with the nearest right form.
#[test]
fn wrong_expressions_are_refused_at_their_place() {
    let session = STORE.session();
    for (name, filter, hint) in cases::ERRORS {
        let at = wiretape::sql::kfl::compile(filter, 0).expect_err(name).span.start;
        for (statement, before) in [(format!("select * from kfl('{filter}')"), 19), (format!("KFL {filter}"), 4)] {
            let error = batches(&session, &statement).expect_err(name);
            let told = format!("{error} {}", error.hint.clone().unwrap_or_default());
            assert!(told.contains(hint), "{name}: {statement}: {told}");
            assert_eq!(error.position, Some(before + at + 1), "{name}: {statement}: {told}");
        }
    }
}

/// What is KFL v1 is translated (K96, K97), selects what the translation does, and says so once.
#[test]
fn v1_is_translated_with_a_notice() {
    let session = STORE.session();
    for (v1, kfl2) in [
        ("http and status_code == 500", "http && status_code == 500"),
        ("request.path == \"/login\"", "path == \"/login\""),
    ] {
        for sql in [format!("KFL {v1}"), format!("select * from calls where kfl_match('{v1}')")] {
            let notices = RUNTIME.block_on(async {
                let statement = session.parse(&sql).unwrap().remove(0);
                session.plan(&statement).await.unwrap().notices()
            });
            assert!(matches!(notices.as_slice(), [notice] if notice.contains(kfl2)), "{sql}: {notices:?}");
        }
        let found = selected(&session, v1);
        assert!(!found.is_empty() && found == selected(&session, kfl2), "{v1}: {found:?}");
    }
}

/// An error of one part is absorbed where the other part decides, and otherwise selects nothing; it never ends a query.
#[test]
fn errors_of_rows_are_not_errors_of_queries() {
    let entries = Entries::all(&STORE.session());
    for filter in [
        "1 / src.port == 0",
        "9223372036854775807 + src.port > 0",
        "request.headers[\"x-id\"] == \"7\" && 1 / 0 == 1 || http",
        "int(path) > 0",
        "dns_questions[3] == \"\"",
        "\"a\".matches(path)",
        "timestamp(path) > now()",
    ] {
        hold(&entries, filter);
    }
}

/// Filters made at random, of what is true of one entry and what may not be: plan and evaluator agree, with the index and without, of the
/// entry's own table and others, and of all of them.
#[test]
fn generated_expressions_select_what_the_evaluator_does() {
    const ASKED: [(&str, &str); 4] =
        [("http", "call_id"), ("dns", "call_id"), ("flows", "flow_id"), ("identity", "call_id")];
    let entries = Entries::all(&STORE.session());
    let mut telling = 0;
    for number in 0..generator::FILTERS {
        let own = ASKED[number % ASKED.len()].0;
        let facts = entries.facts_of(own, number);
        let filter =
            generator::Generator::new((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15), &facts).filter();
        for (table, key) in ASKED {
            let session = STORE.session();
            session.set_use_index((number / ASKED.len()).is_multiple_of(2));
            let quoted = filter.replace('\'', "''");
            let sql = format!("select {key} from {table} where kfl_match('{quoted}')");
            let found: BTreeSet<String> = rows(&session, &sql).into_iter().map(|row| row[0].clone()).collect();
            assert_eq!(found, entries.selected_in(table, &filter), "{sql}");
            let all = entries.selected_in(table, "").len();
            telling += usize::from(table == own && !found.is_empty() && found.len() < all);
        }
        if number % generator::ALL_EVERY == 0 {
            hold(&entries, &filter);
        }
    }
    assert!(telling * 3 > generator::FILTERS, "only {telling} questions tell the rows of a table apart");
}

/// `kfl_match` in WHERE selects the rows of a table that are such entries: by its columns, under an alias, and by key.
#[test]
fn tables_are_filtered_by_the_same_filters() {
    let session = STORE.session();
    let count = |sql: &str| rows(&session, sql)[0][0].clone();
    assert_eq!(count("select count(*) from http h where kfl_match('status_code >= 500')"), "2");
    assert_eq!(count("select count(*) from http where not kfl_match('status_code >= 500')"), "19");
    assert_eq!(count("select count(*) from calls where kfl_match('http && status_code >= 500')"), "2");
    assert_eq!(count("select count(*) from flows f where kfl_match('tcp_error_type == \"Reset\"')"), "1");
    assert_eq!(count("select count(*) from dns where kfl_match('http')"), "0");
    assert_eq!(count("select count(*) from entries"), count("select count(*) from kfl('')"));
}

/// The SQL that `explain_kfl` shows can be run, and gives the same entries.
#[test]
fn what_is_explained_can_be_run() {
    let session = STORE.session();
    for filter in [
        "http && status_code >= 500",
        "tcp && tcp_error_type == \"Reset\" || dns && size(dns_answers) > 8",
        "!http && !flow && timestamp > timestamp(\"2026-03-01T00:00:00Z\") && src.ip.in_cidr(\"10.0.0.0/8\")",
        "dns_questions.exists(q, q.matches(\"^[a-e]\\\\w+\\\\.\"))",
        "ja3 == \"nothing has it\" && http",
    ] {
        let sql = rows(&session, &format!("select explain_kfl('{filter}')"))[0][0].clone();
        let keys = format!("select entry, coalesce(call_id, first_packet_id, flow_id) from ({sql}) as explained");
        let found: BTreeSet<String> = rows(&session, &keys).into_iter().map(|r| format!("{} {}", r[0], r[1])).collect();
        assert_eq!(found, selected(&session, filter), "{sql}");
    }
}

/// A statement of KFL alone lists entries by time, and others may stand before and behind it.
#[test]
fn a_filter_is_a_statement() {
    let session = STORE.session();
    let times: Vec<String> =
        rows(&session, "KFL http // and; no more\n && status_code >= 500").iter().map(|r| r[1].clone()).collect();
    assert_eq!(times.len(), 2);
    assert!(times.is_sorted());
    let statements = session.parse("select 1; KFL http && path == \"it's;\"; select ';'").unwrap();
    let texts: Vec<&str> = statements.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["select 1", "KFL http && path == \"it's;\"", "select ';'"]);
}

/// Tables that cannot hold what a filter asks for are not in its plan, and what is left reaches the index.
#[test]
fn plans_hold_only_the_tables_that_can_have_it() {
    let plan = |filter: &str| {
        let shown = rows(&STORE.session(), &format!("explain select * from kfl('{filter}')"));
        shown.into_iter().map(|row| row.concat()).collect::<String>()
    };
    let needle = plan("http && status_code == 500 && dst.ip == \"10.0.0.9\"");
    assert!(needle.contains("index=[status_code") && needle.contains("dst_ip"), "{needle}");
    assert!(!needle.contains("TableScan: dns") && !needle.contains("TableScan: flows"), "{needle}");
    let nothing = plan("grpc && dns");
    assert!(nothing.contains("EmptyRelation") && !nothing.contains("TableScan"), "{nothing}");
}

/// What declarations say of KFL is true: every variable is known, and its SQL has the variable's type.
#[test]
fn declared_variables_are_of_the_vocabulary_and_have_its_types() {
    use wiretape::sql::kfl::vocabulary::{self, VarType};
    let session = STORE.session();
    let mut mapped = BTreeSet::new();
    for table in store::TABLES.iter() {
        for entry in table.entries {
            for name in table.variables_of(entry) {
                let var = vocabulary::variable(name).unwrap_or_else(|| panic!("{}: {name} is no variable", table.name));
                let sql = table.variable(entry, name).unwrap();
                let typed = rows(&session, &format!("select arrow_typeof(({sql})) from {} limit 1", table.name));
                let is_right = typed.first().is_none_or(|row| match var.ty {
                    VarType::Bool => row[0] == "Boolean",
                    VarType::Int => row[0].contains("Int"),
                    VarType::String => row[0].contains("Utf8") || row[0] == "Null",
                    VarType::Timestamp => row[0].starts_with("Timestamp"),
                    VarType::StringList => row[0].starts_with("List"),
                    VarType::StringMap => row[0].starts_with("Map"),
                    VarType::Bytes => row[0].contains("Binary"),
                });
                assert!(is_right, "{}.{name}: {sql} is {typed:?}", table.name);
                if table.name != identity::IDENTITY.name {
                    mapped.insert(name);
                }
            }
        }
    }
    let missing: Vec<&str> =
        vocabulary::variables().map(|var| var.name).filter(|name| !mapped.contains(name)).collect();
    assert_eq!(missing, store::unrecorded(), "variables that no table has are those that docs/kfl-entries.md names");
}
