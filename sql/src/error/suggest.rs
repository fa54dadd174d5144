//! "Did you mean": the name nearest to a wrong one.

/// The candidate nearest to `wrong` by edits (insert, delete, replace, swap of neighbours), when fewer than half of its
/// letters are wrong. Of equally near ones, the first.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: Vec<char> = wrong.to_lowercase().chars().collect();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.to_lowercase().chars().collect();
        let edits = distance(&wrong, &letters);
        let acceptable = edits * 2 <= wrong.len().max(letters.len()) && edits < letters.len();
        if acceptable && best.is_none_or(|(least, _)| edits < least) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, name)| name)
}

/// Optimal string alignment distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX - 1);
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut least = (at(&last, j + 1) + 1).min(at(&row, j) + 1).min(at(&last, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    at(&last, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let columns = ["ts", "src_ip", "dst_ip", "src_port", "packet_id"];
        assert_eq!(nearest("scr_ip", columns), Some("src_ip"));
        assert_eq!(nearest("srcport", columns), Some("src_port"));
        assert_eq!(nearest("packetid", columns), Some("packet_id"));
        assert_eq!(nearest("SRC_IP", columns), Some("src_ip"));
    }

    #[test]
    fn a_different_word_suggests_nothing() {
        assert_eq!(nearest("weather", ["ts", "src_ip"]), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
