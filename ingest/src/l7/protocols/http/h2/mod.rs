//! HTTP/2.
mod fields;
mod hpack;
mod huffman;
