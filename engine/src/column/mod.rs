//! Column builders: typed values in, Arrow arrays out. One [`Cell`] per [`Kind`]; `Option<C>` is its nullable form.
//!
//! Pushing allocates only when a buffer grows or a dictionary meets a new value, so the cost per packet is a store per
//! column. Addresses become text once per distinct address and batch, never per packet.

use std::{fmt::Debug, hash::Hash, net::IpAddr, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, BooleanBuilder, DictionaryArray, PrimitiveArray, StringArray, StringBuilder},
    buffer::{BooleanBuffer, Buffer, NullBuffer},
    datatypes::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type},
};
use hashbrown::HashMap;

use crate::table::Kind;

mod nested;

pub use nested::{Lists, Maps, TextList, TextMap};
pub(crate) use nested::{list_type, map_type};

/// A column type usable in [`table!`](crate::table!).
pub trait Cell {
    /// What is pushed.
    type Value<'a>: Debug + Clone + PartialEq;
    /// What collects it.
    type Builder: ColumnBuilder<Self> + Debug + Default;
    /// The kind it declares.
    const KIND: Kind;
    /// Whether NULL may be pushed.
    const NULLABLE: bool = false;
}

/// Collects the values of one column.
pub trait ColumnBuilder<C: Cell + ?Sized> {
    /// Appends a value.
    fn push(&mut self, value: C::Value<'_>);
    /// Bytes of memory held.
    fn size_bytes(&self) -> usize;
    /// Makes room for `rows` more, where growing step by step would be dear.
    fn reserve(&mut self, _rows: usize) {}
    /// Turns the values into an array and starts anew.
    fn finish(&mut self) -> ArrayRef;
    /// A copy of the values from row `from` on, with a dictionary of their own.
    fn copy_from(&self, from: usize) -> ArrayRef;
}

/// A builder that can hold a slot without a value; what `Option<C>` is made of.
pub trait PushNull {
    /// Appends a slot whose content does not matter.
    fn push_default(&mut self);
    /// Turns the values into an array with the given validity and starts anew.
    fn finish_with(&mut self, nulls: Option<NullBuffer>) -> ArrayRef;
    /// A copy of the values from row `from` on, with their validity.
    fn copy_from_with(&self, from: usize, nulls: Option<NullBuffer>) -> ArrayRef;
}

macro_rules! primitive_cells {
    ($($(#[$doc:meta])* $cell:ident, $native:ty, $arrow:ty, $kind:expr;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $cell {}
        impl Cell for $cell {
            type Value<'a> = $native;
            type Builder = Primitive<$arrow>;
            const KIND: Kind = $kind;
        }
        impl ColumnBuilder<$cell> for Primitive<$arrow> {
            #[inline]
            fn push(&mut self, value: $native) {
                self.values.push(value);
            }
            fn reserve(&mut self, rows: usize) {
                self.values.reserve_exact(rows);
            }
            fn size_bytes(&self) -> usize {
                self.values.len() * size_of::<$native>()
            }
            fn finish(&mut self) -> ArrayRef {
                self.finish_with(None)
            }
            fn copy_from(&self, from: usize) -> ArrayRef {
                self.copy_from_with(from, None)
            }
        }
    )* };
}

primitive_cells! {
    /// Nanoseconds since the epoch, UTC.
    Ts, i64, TimestampNanosecondType, Kind::Ts;
    /// Signed 64-bit.
    I64, i64, Int64Type, Kind::I64;
    /// Unsigned 32-bit.
    U32, u32, UInt32Type, Kind::U32;
    /// Unsigned 16-bit.
    U16, u16, UInt16Type, Kind::U16;
    /// Unsigned 8-bit.
    U8, u8, UInt8Type, Kind::U8;
}

/// Fixed-width values in one buffer.
#[derive(Debug)]
pub struct Primitive<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
}

impl<T: ArrowPrimitiveType> Default for Primitive<T> {
    fn default() -> Self {
        Primitive { values: Vec::new() }
    }
}

impl<T: ArrowPrimitiveType> PushNull for Primitive<T> {
    #[inline]
    fn push_default(&mut self) {
        self.values.push(T::Native::default());
    }

    fn finish_with(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        primitive_array::<T>(std::mem::take(&mut self.values), nulls)
    }

    fn copy_from_with(&self, from: usize, nulls: Option<NullBuffer>) -> ArrayRef {
        primitive_array::<T>(self.values.get(from..).unwrap_or_default().to_vec(), nulls)
    }
}

fn primitive_array<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    let array = PrimitiveArray::<T>::new(values.into(), nulls);
    let kind_type =
        if T::DATA_TYPE == TimestampNanosecondType::DATA_TYPE { Kind::Ts.data_type() } else { T::DATA_TYPE };
    Arc::new(array.with_data_type(kind_type))
}

/// True or false.
#[derive(Debug, Clone, Copy)]
pub enum Bool {}

impl Cell for Bool {
    type Value<'a> = bool;
    type Builder = BooleanBuilder;
    const KIND: Kind = Kind::Bool;
}

impl ColumnBuilder<Bool> for BooleanBuilder {
    #[inline]
    fn push(&mut self, value: bool) {
        self.append_value(value);
    }
    fn size_bytes(&self) -> usize {
        self.capacity() / 8
    }
    fn finish(&mut self) -> ArrayRef {
        Arc::new(BooleanBuilder::finish(self))
    }
    fn copy_from(&self, from: usize) -> ArrayRef {
        Arc::new(BooleanArray::new(copy_bits(self.values_slice(), arrow::array::ArrayBuilder::len(self), from), None))
    }
}

impl PushNull for BooleanBuilder {
    fn push_default(&mut self) {
        self.append_value(false);
    }
    fn finish_with(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        Arc::new(BooleanArray::new(BooleanBuilder::finish(self).values().clone(), nulls))
    }
    fn copy_from_with(&self, from: usize, nulls: Option<NullBuffer>) -> ArrayRef {
        let values = copy_bits(self.values_slice(), arrow::array::ArrayBuilder::len(self), from);
        Arc::new(BooleanArray::new(values, nulls))
    }
}

/// Text of many distinct values.
#[derive(Debug, Clone, Copy)]
pub enum Text {}

impl Cell for Text {
    type Value<'a> = &'a str;
    type Builder = StringBuilder;
    const KIND: Kind = Kind::Text;
}

impl ColumnBuilder<Text> for StringBuilder {
    fn push(&mut self, value: &str) {
        self.append_value(value);
    }
    fn size_bytes(&self) -> usize {
        self.values_slice().len() + self.offsets_slice().len() * 4
    }
    fn finish(&mut self) -> ArrayRef {
        Arc::new(StringBuilder::finish(self))
    }
    fn copy_from(&self, from: usize) -> ArrayRef {
        self.copy_from_with(from, None)
    }
}

impl PushNull for StringBuilder {
    fn push_default(&mut self) {
        self.append_value("");
    }
    fn finish_with(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let (offsets, values, _) = StringBuilder::finish(self).into_parts();
        Arc::new(StringArray::new(offsets, values, nulls))
    }

    fn copy_from_with(&self, from: usize, nulls: Option<NullBuffer>) -> ArrayRef {
        let mut values = StringBuilder::new();
        for bounds in self.offsets_slice().get(from..).unwrap_or_default().windows(2) {
            let bytes = match bounds {
                [start, end] => self.values_slice().get(*start as usize..*end as usize).unwrap_or_default(),
                _ => &[],
            };
            values.append_value(str::from_utf8(bytes).unwrap_or_default());
        }
        values.finish_with(nulls)
    }
}

/// A copy of bits `from` to `len` of a bitmap.
fn copy_bits(bits: &[u8], len: usize, from: usize) -> BooleanBuffer {
    BooleanBuffer::new(Buffer::from(bits), from, len.saturating_sub(from))
}

/// A value that a dictionary column turns into text once per distinct value.
pub trait Term: Eq + Hash + Clone + Debug {
    /// The text users see.
    fn text(&self) -> String;
}

impl Term for IpAddr {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Term for [u8; 6] {
    fn text(&self) -> String {
        let [a, b, c, d, e, f] = self;
        format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl Term for Box<str> {
    fn text(&self) -> String {
        self.to_string()
    }
}

/// Codes into a list of distinct values.
#[derive(Debug)]
pub struct Dictionary<T> {
    codes: Vec<i32>,
    terms: Vec<T>,
    by_term: HashMap<T, i32>,
}

impl<T> Default for Dictionary<T> {
    fn default() -> Self {
        Dictionary { codes: Vec::new(), terms: Vec::new(), by_term: HashMap::new() }
    }
}

impl<T: Term> Dictionary<T> {
    /// Appends a value, looked up by a borrowed form so that nothing is allocated for values seen before.
    #[inline]
    fn push_term<Q>(&mut self, value: &Q, own: impl FnOnce() -> T)
    where
        Q: ?Sized + Eq + Hash,
        T: std::borrow::Borrow<Q>,
    {
        // Packets come in runs: the value is often that of the packet before.
        if let Some(&last) = self.codes.last()
            && self.terms.get(usize::try_from(last).unwrap_or(usize::MAX)).is_some_and(|t| t.borrow() == value)
        {
            self.codes.push(last);
            return;
        }
        let code = match self.by_term.get(value) {
            Some(&code) => code,
            None => {
                let term = own();
                let code = i32::try_from(self.terms.len()).unwrap_or(i32::MAX);
                self.terms.push(term.clone());
                self.by_term.insert(term, code);
                code
            }
        };
        self.codes.push(code);
    }

    fn bytes(&self) -> usize {
        self.codes.len() * 4 + self.terms.len() * (size_of::<T>() * 2 + 24)
    }
}

impl<T: Term> PushNull for Dictionary<T> {
    #[inline]
    fn push_default(&mut self) {
        self.codes.push(0);
    }

    fn finish_with(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let codes = PrimitiveArray::<Int32Type>::new(std::mem::take(&mut self.codes).into(), nulls);
        let values: StringArray = self.terms.drain(..).map(|t| Some(t.text())).collect();
        self.by_term.clear();
        let array = DictionaryArray::try_new(codes, Arc::new(values)).expect("every code was given out by push_term");
        Arc::new(array)
    }

    fn copy_from_with(&self, from: usize, nulls: Option<NullBuffer>) -> ArrayRef {
        let mut copy = Dictionary::<T>::default();
        let mut new_codes: HashMap<i32, i32> = HashMap::new();
        for &code in self.codes.get(from..).unwrap_or_default() {
            let new_code = *new_codes.entry(code).or_insert_with(|| {
                copy.terms.extend(usize::try_from(code).ok().and_then(|at| self.terms.get(at)).cloned());
                i32::try_from(copy.terms.len()).unwrap_or(i32::MAX).saturating_sub(1)
            });
            // The slot of a NULL before any value has a code and no term.
            copy.codes.push(new_code.max(0));
        }
        copy.finish_with(nulls)
    }
}

macro_rules! dictionary_cells {
    ($($(#[$doc:meta])* $cell:ident, $term:ty, $kind:expr, |$v:ident: $value:ty| $borrow:expr, $own:expr;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $cell {}
        impl Cell for $cell {
            type Value<'a> = $value;
            type Builder = Dictionary<$term>;
            const KIND: Kind = $kind;
        }
        impl ColumnBuilder<$cell> for Dictionary<$term> {
            #[inline]
            fn push(&mut self, $v: <$cell as Cell>::Value<'_>) {
                self.push_term($borrow, || $own);
            }
            fn reserve(&mut self, rows: usize) {
                self.codes.reserve_exact(rows);
            }
            fn size_bytes(&self) -> usize {
                self.bytes()
            }
            fn finish(&mut self) -> ArrayRef {
                self.finish_with(None)
            }
            fn copy_from(&self, from: usize) -> ArrayRef {
                self.copy_from_with(from, None)
            }
        }
    )* };
}

dictionary_cells! {
    /// An IP address.
    Ip, IpAddr, Kind::Ip, |v: IpAddr| &v, v;
    /// An EUI-48 address.
    Mac, [u8; 6], Kind::Mac, |v: [u8; 6]| &v, v;
    /// Text of few distinct values.
    Symbol, Box<str>, Kind::Symbol, |v: &'a str| v, Box::from(v);
}

/// The nullable form of a builder: validity is kept only from the first NULL on.
#[derive(Debug, Default)]
pub struct Nullable<B> {
    inner: B,
    len: usize,
    validity: Option<Validity>,
}

/// A growing validity bitmap, lowest bit first, as Arrow has it.
#[derive(Debug)]
struct Validity {
    bytes: Vec<u8>,
    len: usize,
}

impl Validity {
    /// `len` valid rows, and then one that is NULL.
    fn first_null_after(len: usize) -> Validity {
        let mut validity = Validity { bytes: vec![0xFF; len / 8], len: len - len % 8 };
        (0..len % 8).for_each(|_| validity.push(true));
        validity.push(false);
        validity
    }

    #[inline]
    fn push(&mut self, valid: bool) {
        let bit = u8::from(valid) << (self.len % 8);
        match self.bytes.last_mut() {
            Some(last) if !self.len.is_multiple_of(8) => *last |= bit,
            _ => self.bytes.push(bit),
        }
        self.len += 1;
    }
}

impl<C> Cell for Option<C>
where
    C: Cell,
    C::Builder: PushNull,
{
    type Value<'a> = Option<C::Value<'a>>;
    type Builder = Nullable<C::Builder>;
    const KIND: Kind = C::KIND;
    const NULLABLE: bool = true;
}

impl<C> ColumnBuilder<Option<C>> for Nullable<C::Builder>
where
    C: Cell,
    C::Builder: PushNull,
{
    #[inline]
    fn push(&mut self, value: Option<C::Value<'_>>) {
        let valid = value.is_some();
        match value {
            Some(v) => self.inner.push(v),
            None => self.inner.push_default(),
        }
        if let Some(validity) = &mut self.validity {
            validity.push(valid);
        } else if !valid {
            self.validity = Some(Validity::first_null_after(self.len));
        }
        self.len += 1;
    }

    fn reserve(&mut self, rows: usize) {
        self.inner.reserve(rows);
    }

    fn size_bytes(&self) -> usize {
        self.inner.size_bytes() + self.len / 8
    }

    fn finish(&mut self) -> ArrayRef {
        self.len = 0;
        let nulls = self.validity.take().map(|v| NullBuffer::new(BooleanBuffer::new(v.bytes.into(), 0, v.len)));
        self.inner.finish_with(nulls)
    }

    fn copy_from(&self, from: usize) -> ArrayRef {
        let nulls = self.validity.as_ref().map(|v| NullBuffer::new(copy_bits(&v.bytes, self.len, from)));
        self.inner.copy_from_with(from, nulls)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn null_before_any_value_keeps_a_valid_dictionary() {
        let mut b = <Option<Ip> as Cell>::Builder::default();
        ColumnBuilder::<Option<Ip>>::push(&mut b, None);
        ColumnBuilder::<Option<Ip>>::push(&mut b, None);
        let a = ColumnBuilder::<Option<Ip>>::finish(&mut b);
        assert_eq!((a.len(), a.null_count()), (2, 2));
    }

    /// Proves that readers of an open segment see what sealing will write, wherever a flush cuts.
    #[test]
    fn a_copy_from_any_row_is_the_tail_of_what_finish_gives() {
        let symbols = [None, Some("tcp"), Some("udp"), None, Some("tcp"), Some("icmp"), Some("udp")];
        for from in 0..=symbols.len() {
            let mut s = <Option<Symbol> as Cell>::Builder::default();
            let mut n = <Option<U16> as Cell>::Builder::default();
            let mut b = <Bool as Cell>::Builder::default();
            let mut t = <Option<Text> as Cell>::Builder::default();
            let mut o = <Option<Bool> as Cell>::Builder::default();
            for (at, v) in symbols.iter().enumerate() {
                ColumnBuilder::<Option<Symbol>>::push(&mut s, *v);
                ColumnBuilder::<Option<U16>>::push(&mut n, v.map(|_| u16::try_from(at).unwrap()));
                ColumnBuilder::<Bool>::push(&mut b, at % 3 == 0);
                ColumnBuilder::<Option<Text>>::push(&mut t, *v);
                ColumnBuilder::<Option<Bool>>::push(&mut o, v.map(|v| v == "tcp"));
            }
            let copies = [
                ColumnBuilder::<Option<Symbol>>::copy_from(&s, from),
                ColumnBuilder::<Option<U16>>::copy_from(&n, from),
                ColumnBuilder::<Bool>::copy_from(&b, from),
                ColumnBuilder::<Option<Text>>::copy_from(&t, from),
                ColumnBuilder::<Option<Bool>>::copy_from(&o, from),
            ];
            let whole = [
                ColumnBuilder::<Option<Symbol>>::finish(&mut s),
                ColumnBuilder::<Option<U16>>::finish(&mut n),
                ColumnBuilder::<Bool>::finish(&mut b),
                ColumnBuilder::<Option<Text>>::finish(&mut t),
                ColumnBuilder::<Option<Bool>>::finish(&mut o),
            ];
            for (copy, whole) in copies.iter().zip(whole) {
                let text = |a: &ArrayRef| -> Vec<Option<String>> {
                    let options = arrow::util::display::FormatOptions::default().with_null("∅");
                    let format = arrow::util::display::ArrayFormatter::try_new(a, &options).unwrap();
                    (0..a.len()).map(|i| Some(format.value(i).to_string())).collect()
                };
                assert_eq!(text(copy), text(&whole.slice(from, symbols.len() - from)), "from {from}");
            }
        }
    }

    #[test]
    fn repeated_and_new_values_share_codes() {
        let mut b = <Option<Symbol> as Cell>::Builder::default();
        for v in [Some("tcp"), Some("udp"), None, Some("tcp"), Some("tcp")] {
            ColumnBuilder::<Option<Symbol>>::push(&mut b, v);
        }
        let a = ColumnBuilder::<Option<Symbol>>::finish(&mut b);
        let d = a.as_dictionary::<Int32Type>();
        assert_eq!(d.values().len(), 2);
        let text: Vec<Option<&str>> = d.downcast_dict::<StringArray>().expect("text").into_iter().collect();
        assert_eq!(text, [Some("tcp"), Some("udp"), None, Some("tcp"), Some("tcp")]);
    }
}
