//! Column builders: typed values in, Arrow arrays out. One [`Cell`] per [`Kind`]; `Option<C>` is its nullable form.
//!
//! Pushing allocates only when a buffer grows or a dictionary meets a new value, so the cost per packet is a store per
//! column. Addresses become text once per distinct address and batch, never per packet.

use std::{fmt::Debug, hash::Hash, net::IpAddr, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanBufferBuilder, BooleanBuilder, DictionaryArray, PrimitiveArray, StringArray, StringBuilder,
    },
    buffer::NullBuffer,
    datatypes::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type},
};
use hashbrown::HashMap;

use crate::table::Kind;

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
    /// Turns the values into an array and starts anew.
    fn finish(&mut self) -> ArrayRef;
}

/// A builder that can hold a slot without a value; what `Option<C>` is made of.
pub trait PushNull {
    /// Appends a slot whose content does not matter.
    fn push_default(&mut self);
    /// Turns the values into an array with the given validity and starts anew.
    fn finish_with(&mut self, nulls: Option<NullBuffer>) -> ArrayRef;
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
            fn size_bytes(&self) -> usize {
                self.values.capacity() * size_of::<$native>()
            }
            fn finish(&mut self) -> ArrayRef {
                self.finish_with(None)
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
        let values = std::mem::take(&mut self.values);
        let array = PrimitiveArray::<T>::new(values.into(), nulls);
        let kind_type =
            if T::DATA_TYPE == TimestampNanosecondType::DATA_TYPE { Kind::Ts.data_type() } else { T::DATA_TYPE };
        Arc::new(array.with_data_type(kind_type))
    }
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
}

impl PushNull for StringBuilder {
    fn push_default(&mut self) {
        self.append_value("");
    }
    fn finish_with(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let (offsets, values, _) = StringBuilder::finish(self).into_parts();
        Arc::new(StringArray::new(offsets, values, nulls))
    }
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
        self.codes.capacity() * 4 + self.terms.len() * (size_of::<T>() * 2 + 24)
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
            fn size_bytes(&self) -> usize {
                self.bytes()
            }
            fn finish(&mut self) -> ArrayRef {
                self.finish_with(None)
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

/// A growing validity bitmap.
struct Validity(BooleanBufferBuilder);

impl Debug for Validity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Validity({} bits)", self.0.len())
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
            validity.0.append(valid);
        } else if !valid {
            let mut bits = BooleanBufferBuilder::new(self.len + 1024);
            bits.append_n(self.len, true);
            bits.append(false);
            self.validity = Some(Validity(bits));
        }
        self.len += 1;
    }

    fn size_bytes(&self) -> usize {
        self.inner.size_bytes() + self.len / 8
    }

    fn finish(&mut self) -> ArrayRef {
        self.len = 0;
        let nulls = self.validity.take().map(|mut v| NullBuffer::new(v.0.finish()));
        self.inner.finish_with(nulls)
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
