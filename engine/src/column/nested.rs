//! Columns whose values are several texts: lists, and maps from text to text.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ListArray, MapArray, StringArray, StructArray},
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Field, FieldRef, Fields},
};

use super::{Cell, ColumnBuilder, PushNull};
use crate::table::Kind;

/// Several texts, in order.
#[derive(Debug, Clone, Copy)]
pub enum TextList {}

impl Cell for TextList {
    type Value<'a> = &'a [&'a str];
    type Builder = Lists;
    const KIND: Kind = Kind::TextList;
}

/// Names and what they stand for, in order; a name may come more than once.
#[derive(Debug, Clone, Copy)]
pub enum TextMap {}

impl Cell for TextMap {
    type Value<'a> = &'a [(&'a str, &'a str)];
    type Builder = Maps;
    const KIND: Kind = Kind::TextMap;
}

/// The type of a [`TextList`]'s array.
pub(crate) fn list_type() -> DataType {
    DataType::List(item_field())
}

/// The type of a [`TextMap`]'s array.
pub(crate) fn map_type() -> DataType {
    DataType::Map(entries_field(), false)
}

fn item_field() -> FieldRef {
    Arc::new(Field::new("item", DataType::Utf8, false))
}

fn entry_fields() -> Fields {
    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, false)])
}

fn entries_field() -> FieldRef {
    Arc::new(Field::new("entries", DataType::Struct(entry_fields()), false))
}

/// Texts end to end. At most 2 GiB of them, far more than a segment may hold: what exceeds it is left empty.
#[derive(Debug, Default)]
struct Texts {
    bytes: String,
    ends: Vec<i32>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        if i32::try_from(self.bytes.len() + text.len()).is_ok() {
            self.bytes.push_str(text);
        }
        self.ends.push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
    }

    fn size_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * 4
    }

    /// The texts from number `from` on.
    fn copy_from(&self, from: usize) -> StringArray {
        let start = end_before(&self.ends, from);
        let bytes = self.bytes.get(start as usize..).unwrap_or_default();
        StringArray::new(offsets(&self.ends, from, start), bytes.as_bytes().into(), None)
    }
}

/// The end of what is before number `from`.
fn end_before(ends: &[i32], from: usize) -> i32 {
    from.checked_sub(1).and_then(|at| ends.get(at)).copied().unwrap_or(0)
}

/// The ends from number `from` on as Arrow's offsets, counted from `start`.
fn offsets(ends: &[i32], from: usize, start: i32) -> OffsetBuffer<i32> {
    let ends = ends.get(from..).unwrap_or_default().iter().map(|end| end - start);
    OffsetBuffer::new(ScalarBuffer::from_iter(std::iter::once(0).chain(ends)))
}

/// Collects lists.
#[derive(Debug, Default)]
pub struct Lists {
    /// Number of items up to the end of each list.
    ends: Vec<i32>,
    items: Texts,
}

impl Lists {
    fn push_items(&mut self, items: &[&str]) {
        items.iter().for_each(|item| self.items.push(item));
        self.ends.push(count(&self.items));
    }
}

/// Collects maps.
#[derive(Debug, Default)]
pub struct Maps {
    /// Number of entries up to the end of each map.
    ends: Vec<i32>,
    keys: Texts,
    values: Texts,
}

impl Maps {
    fn push_entries(&mut self, entries: &[(&str, &str)]) {
        for (key, value) in entries {
            self.keys.push(key);
            self.values.push(value);
        }
        self.ends.push(count(&self.keys));
    }
}

fn count(texts: &Texts) -> i32 {
    i32::try_from(texts.ends.len()).unwrap_or(i32::MAX)
}

macro_rules! nested_builder {
    ($cell:ident, $builder:ident, $push:ident, [$($texts:ident),*]) => {
        impl ColumnBuilder<$cell> for $builder {
            fn push(&mut self, value: <$cell as Cell>::Value<'_>) {
                self.$push(value);
            }
            fn size_bytes(&self) -> usize {
                self.ends.len() * 4 $( + self.$texts.size_bytes() )*
            }
            fn finish(&mut self) -> ArrayRef {
                self.finish_with(None)
            }
            fn copy_from(&self, from: usize) -> ArrayRef {
                self.copy_from_with(from, None)
            }
        }
    };
}

nested_builder!(TextList, Lists, push_items, [items]);
nested_builder!(TextMap, Maps, push_entries, [keys, values]);

impl PushNull for Lists {
    fn push_default(&mut self) {
        self.push_items(&[]);
    }

    fn finish_with(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        std::mem::take(self).copy_from_with(0, nulls)
    }

    fn copy_from_with(&self, from: usize, nulls: Option<NullBuffer>) -> ArrayRef {
        let start = end_before(&self.ends, from);
        let items: ArrayRef = Arc::new(self.items.copy_from(start as usize));
        Arc::new(ListArray::new(item_field(), offsets(&self.ends, from, start), items, nulls))
    }
}

impl PushNull for Maps {
    fn push_default(&mut self) {
        self.push_entries(&[]);
    }

    fn finish_with(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        std::mem::take(self).copy_from_with(0, nulls)
    }

    fn copy_from_with(&self, from: usize, nulls: Option<NullBuffer>) -> ArrayRef {
        let start = end_before(&self.ends, from);
        let texts = [&self.keys, &self.values].map(|t| Arc::new(t.copy_from(start as usize)) as Arc<dyn Array>);
        let entries = StructArray::new(entry_fields(), texts.to_vec(), None);
        Arc::new(MapArray::new(entries_field(), offsets(&self.ends, from, start), entries, nulls, false))
    }
}

#[cfg(test)]
mod tests {
    use arrow::util::display::{ArrayFormatter, FormatOptions};

    use super::*;

    fn texts(array: &ArrayRef) -> Vec<String> {
        let options = FormatOptions::default().with_null("∅");
        let format = ArrayFormatter::try_new(array, &options).unwrap();
        (0..array.len()).map(|at| format.value(at).to_string()).collect()
    }

    /// Proves that lists and maps come out as they went in, NULL and empty ones told apart, whole or from any row on.
    #[test]
    fn what_is_pushed_comes_out_from_any_row() {
        let lists: [Option<&[&str]>; 5] = [Some(&["a", "bc"]), None, Some(&[]), Some(&["", "é"]), Some(&["d"])];
        let maps: [Option<&[(&str, &str)]>; 5] =
            [Some(&[("host", "x"), ("host", "y")]), Some(&[]), None, Some(&[("", "")]), Some(&[("k", "ü")])];
        let lists_shown = ["[a, bc]", "∅", "[]", "[, é]", "[d]"];
        let maps_shown = ["{host: x, host: y}", "{}", "∅", "{: }", "{k: ü}"];
        for from in 0..=5 {
            let mut l = <Option<TextList> as Cell>::Builder::default();
            let mut m = <Option<TextMap> as Cell>::Builder::default();
            lists.iter().for_each(|v| ColumnBuilder::<Option<TextList>>::push(&mut l, *v));
            maps.iter().for_each(|v| ColumnBuilder::<Option<TextMap>>::push(&mut m, *v));
            let copy = ColumnBuilder::<Option<TextList>>::copy_from(&l, from);
            assert_eq!((texts(&copy), copy.data_type()), (lists_shown[from..].map_to_strings(), &list_type()));
            let copy = ColumnBuilder::<Option<TextMap>>::copy_from(&m, from);
            assert_eq!((texts(&copy), copy.data_type()), (maps_shown[from..].map_to_strings(), &map_type()));
            assert_eq!(texts(&ColumnBuilder::<Option<TextList>>::finish(&mut l)), lists_shown);
            assert_eq!(texts(&ColumnBuilder::<Option<TextMap>>::finish(&mut m)), maps_shown);
            assert_eq!(ColumnBuilder::<Option<TextMap>>::finish(&mut m).len(), 0, "it starts anew");
        }
    }

    trait MapToStrings {
        fn map_to_strings(&self) -> Vec<String>;
    }

    impl MapToStrings for [&str] {
        fn map_to_strings(&self) -> Vec<String> {
            self.iter().map(|s| (*s).to_owned()).collect()
        }
    }
}
