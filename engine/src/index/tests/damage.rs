//! Files that are not what was written, by accident and on purpose.

use arrow::{array::Array, buffer::BooleanBuffer};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    super::{
        Index,
        layout::{Directory, HEADER_BYTES, assemble, read_header},
    },
    INDEXED, OnDisk, THINGS, Thing, batch, texts,
};
use crate::{Error, Result};

fn rows() -> Vec<Thing> {
    let address = |n: u8| Some([10, 0, 0, n].into());
    (0..60u8)
        .map(|i| Thing {
            flow: (i % 5 != 0).then_some(i64::from(i % 7)),
            src: address(i % 3),
            dst: address(i % 4),
            proto: Some(if i % 2 == 0 { "tcp" } else { "udp" }),
            src_port: Some(u16::from(i % 2) * 1000),
            said: Some(format!("word {}", i % 6)),
            number: u32::from(i) * 100_000,
            flags: Some(i % 3),
            ..Thing::empty()
        })
        .collect()
}

/// Everything one can ask of a file, so that every section is read: the first error, or all answers.
fn interrogate(disk: &OnDisk) -> Result<Vec<Vec<u32>>> {
    let index = Index::open(&disk.path)?;
    let mut answers = Vec::new();
    let names: Vec<String> = index.columns().map(str::to_owned).collect();
    for column in &names {
        let Some(values) = index.values(column)? else { continue };
        for i in 0..texts(&values).len().min(5) {
            let mask: BooleanBuffer = (0..values.len()).map(|v| v % 5 == i).collect();
            let selection = index.select(column, &mask)?;
            index.count(&selection)?;
            answers.push(index.rows_of(&selection)?.to_vec());
        }
    }
    Ok(answers)
}

#[test]
fn every_flipped_byte_is_found_and_named() {
    let good = super::super::build(&THINGS, &batch(&rows())).unwrap();
    let disk = OnDisk::new(&good);
    let truth = interrogate(&disk).unwrap();
    assert!(truth.len() > 20);
    for at in 0..good.len() {
        for flip in [0x01, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            std::fs::write(&disk.path, &bad).unwrap();
            let verified = Index::open(&disk.path).and_then(|index| index.verify());
            assert!(
                matches!(&verified, Err(Error::Damaged { path, offset, .. })
                    if *path == disk.path && *offset <= (at as u64).max(HEADER_BYTES as u64)),
                "byte {at} ^ {flip}: {verified:?}"
            );
            match interrogate(&disk) {
                Ok(answers) => assert_eq!(answers, truth, "byte {at} ^ {flip} changed an answer"),
                Err(Error::Damaged { .. }) => {}
                Err(other) => panic!("byte {at} ^ {flip}: {other}"),
            }
        }
    }
}

#[test]
fn every_cut_and_every_added_byte_is_found() {
    let good = super::super::build(&THINGS, &batch(&rows())).unwrap();
    let disk = OnDisk::new(&good);
    for length in 0..good.len() {
        std::fs::write(&disk.path, &good[..length]).unwrap();
        let opened = Index::open(&disk.path);
        assert!(matches!(opened, Err(Error::Damaged { .. })), "cut to {length}: {opened:?}");
    }
    std::fs::write(&disk.path, [&good[..], &[0]].concat()).unwrap();
    assert!(matches!(Index::open(&disk.path), Err(Error::Damaged { .. })));
}

#[test]
fn damage_in_a_section_leaves_the_other_columns_answering() {
    let good = super::super::build(&THINGS, &batch(&rows())).unwrap();
    let disk = OnDisk::new(&good);
    let flags = disk.open().directory.columns.iter().find(|c| c.name == "flags").unwrap().section;
    let mut bad = good;
    bad[flags.offset as usize + 3] ^= 4;
    std::fs::write(&disk.path, &bad).unwrap();
    let index = disk.open();
    let mask: BooleanBuffer = [true, false, false].into_iter().collect();
    let error = index.select("flags", &mask).unwrap_err();
    let expected =
        format!("{}: damaged at byte {}: the section's checksum does not hold", disk.path.display(), flags.offset);
    assert_eq!(error.to_string(), expected);
    let mask: BooleanBuffer = (0..index.values("number").unwrap().unwrap().len()).map(|i| i == 3).collect();
    assert_eq!(index.rows_of(&index.select("number", &mask).unwrap()).unwrap().to_vec(), [3]);
}

/// A file with checksums that hold, whatever is in it.
fn with_directory(good: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let (bytes, _) = read_header(&good[..HEADER_BYTES]).unwrap();
    let (mut directory, sections) =
        (good[HEADER_BYTES..][..bytes as usize].to_vec(), &good[HEADER_BYTES + bytes as usize..]);
    change(&mut directory);
    let mut file = good[..12].to_vec();
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(xxh3_64(&directory).to_le_bytes());
    file.extend(directory);
    file.extend(sections);
    file
}

#[test]
fn a_forged_directory_is_refused_or_answered_but_never_panics() {
    let good = super::super::build(&THINGS, &batch(&rows())).unwrap();
    let disk = OnDisk::new(&good);
    let (bytes, _) = read_header(&good[..HEADER_BYTES]).unwrap();
    let mut refused = 0;
    for at in 0..bytes as usize {
        for value in [0, 1, 2, 0xff] {
            std::fs::write(&disk.path, with_directory(&good, |d| d[at] = value)).unwrap();
            let verified = Index::open(&disk.path).and_then(|index| index.verify());
            refused += usize::from(verified.is_err());
            let _answers_or_damage = interrogate(&disk);
        }
    }
    assert!(refused > bytes as usize * 2, "{refused} of {} forgeries refused", bytes * 4);
}

/// The parts that a file was assembled from.
fn parts(disk: &OnDisk) -> (Directory, Vec<Vec<u8>>) {
    let index = disk.open();
    let mut directory = index.directory.clone();
    let raw = directory.sections_mut().map(|s| index.section(s).unwrap()).collect();
    (directory, raw)
}

#[test]
fn forged_sections_are_refused_or_answered_but_never_panic() {
    let good = super::super::build(&THINGS, &batch(&rows())).unwrap();
    let disk = OnDisk::new(&good);
    let (directory, raw) = parts(&disk);
    assert_eq!(assemble(directory.clone(), &raw).unwrap(), good);
    let truth = interrogate(&disk).unwrap();
    let (mut verified_though_different, mut refused, mut tried) = (0, 0, 0);
    for section in 0..raw.len() {
        for at in 0..raw[section].len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut forged = raw.clone();
                if std::mem::replace(&mut forged[section][at], value) == value {
                    continue;
                }
                std::fs::write(&disk.path, assemble(directory.clone(), &forged).unwrap()).unwrap();
                tried += 1;
                match disk.open().verify() {
                    Err(Error::Damaged { .. }) => refused += 1,
                    Err(other) => panic!("section {section} byte {at} = {value}: {other}"),
                    // Another value in a dictionary or another code is another table's rightful index.
                    Ok(()) => verified_though_different += usize::from(interrogate(&disk).unwrap() != truth),
                }
                match interrogate(&disk) {
                    Ok(_) | Err(Error::Damaged { .. }) => {}
                    Err(other) => panic!("section {section} byte {at} = {value}: {other}"),
                }
            }
        }
    }
    assert!(refused * 2 > tried, "{refused} of {tried} forgeries refused, {verified_though_different} believed");
}

#[test]
fn a_section_that_unpacks_to_more_than_it_says_is_refused() {
    let disk = OnDisk::of(&rows());
    let (mut directory, mut raw) = parts(&disk);
    let position = directory.columns.iter().position(|c| c.name == "flags").unwrap() + directory.dictionaries.len();
    raw[position] = vec![0; 1 << 20];
    let honest = assemble(directory.clone(), &raw).unwrap();
    std::fs::write(&disk.path, &honest).unwrap();
    directory = disk.open().directory.clone();
    let mut lied = directory.columns.iter().find(|c| c.name == "flags").unwrap().section.raw_bytes.to_le_bytes();
    let at = honest.windows(4).position(|w| w == lied).unwrap() - HEADER_BYTES;
    lied = 61u32.to_le_bytes();
    std::fs::write(&disk.path, with_directory(&honest, |d| d[at..at + 4].copy_from_slice(&lied))).unwrap();
    let error = disk.open().verify().unwrap_err();
    assert!(matches!(&error, Error::Damaged { what, .. } if what.starts_with("zstd: ")), "{error}");
    assert_eq!(INDEXED.len(), disk.open().columns().count());
}

#[test]
fn another_version_and_another_file_are_named() {
    let good = super::super::build(&THINGS, &batch(&rows())).unwrap();
    let disk = OnDisk::new(&good);
    let mut newer = good;
    newer[8] = 2;
    std::fs::write(&disk.path, &newer).unwrap();
    let shown = disk.path.display().to_string();
    let error = Index::open(&disk.path).unwrap_err();
    assert_eq!(error.to_string(), format!("{shown}: damaged at byte 8: index format version 2, this build reads 1"));
    std::fs::write(&disk.path, b"PAR1 and much more than a header").unwrap();
    let error = Index::open(&disk.path).unwrap_err();
    assert_eq!(error.to_string(), format!("{shown}: damaged at byte 0: no index: the magic is missing"));
}
