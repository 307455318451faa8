//! The differences of two texts, for people.

/// Number of lines that are shown around a difference.
const CONTEXT: usize = 3;

/// Compares a file with the text that it should have; `None` if they are the same, else the differences: lines that only
/// the file has after `-`, lines that only the other text has after `+`, below `name:line`.
pub fn difference(name: &str, recorded: &str, actual: &str) -> Option<String> {
    if recorded == actual {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) =
        (recorded.split('\n').collect(), actual.split('\n').collect());
    let edits = edits(&old, &new);
    let is_near = |at: usize| {
        let around = at.saturating_sub(CONTEXT)..=at + CONTEXT;
        around.into_iter().any(|near| edits.get(near).is_some_and(|edit| edit.sign != ' '))
    };
    let mut report = String::new();
    let mut was_near = false;
    for (at, edit) in edits.iter().enumerate() {
        let near = is_near(at);
        if near && !was_near {
            report.push_str(&format!("{name}:{}\n", edit.line));
        }
        if near {
            report.push_str(&format!("  {} {}\n", edit.sign, edit.text));
        }
        was_near = near;
    }
    Some(report)
}

/// A line of both texts (` `), of the old one (`-`) or of the new one (`+`).
struct Edit<'a> {
    sign: char,
    text: &'a str,
    /// The line in the old text, counted from 1.
    line: usize,
}

/// The fewest edits that lead from one text to the other.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    // `common[i][j]`: how many lines `old[i..]` and `new[j..]` have in common, in order.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut edits) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        let (sign, text) = match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => (' ', *a),
            (Some(a), None) => ('-', *a),
            (Some(a), Some(_)) if common[i + 1][j] >= common[i][j + 1] => ('-', *a),
            (_, Some(b)) => ('+', *b),
            (None, None) => break,
        };
        edits.push(Edit { sign, text, line: i + 1 });
        i += usize::from(sign != '+');
        j += usize::from(sign != '-');
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_file_and_line() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13";
        let expected = "\
f.txt:2\n    2\n    3\n    4\n  - 5\n  + five\n    6\n    7\n    8\n\
f.txt:10\n    10\n    11\n    12\n  + 13\n";
        assert_eq!(difference("f.txt", old, new).as_deref(), Some(expected));
        assert_eq!(difference("f.txt", old, old), None);
        assert!(difference("f.txt", old, &format!("{old}\n")).is_some());
    }
}
