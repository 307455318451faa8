//! Parts of texts, lists and paths: `x[from:to]`, `path[number]`.

use super::eval::{Evaluated, Evaluator};
use super::value::{Fail, Text, Val};

impl<'a> Evaluator<'a> {
    /// The characters or elements from one number up to another, which is not among them. Both must be there.
    pub(super) fn slice(&mut self, of: &Val<'a>, from: &Val<'a>, to: &Val<'a>) -> Evaluated<'a> {
        let (Val::Int(from), Val::Int(to)) = (from, to) else { return Err(Fail::Error) };
        let number = |number: &i64| usize::try_from(*number).map_err(|_| Fail::Error);
        let (from, to) = (number(from)?, number(to)?);
        match of {
            Val::Text(text) => {
                self.spend(text.len() / 16)?;
                let place = |number: usize| place(text, number).ok_or(Fail::Error);
                let part = text.get(place(from)?..place(to)?).ok_or(Fail::Error)?;
                self.make(part.len())?;
                Ok(Val::Text(Text::Shared(part.into())))
            }
            Val::Array(values) => values.get(from..to).map(Val::Array).ok_or(Fail::Error),
            Val::List(values) => {
                let part = values.get(from..to).ok_or(Fail::Error)?;
                self.make(part.len().saturating_mul(size_of::<Val<'_>>()))?;
                Ok(Val::List(part.into()))
            }
            _ => Err(Fail::Error),
        }
    }

    /// `wildcard[number]`: of a path the segment that the wildcard itself has there.
    pub(super) fn index_of_wildcard(&mut self, of: &Val<'a>, number: &Val<'a>) -> Evaluated<'a> {
        match (of, number) {
            (Val::Path(path), Val::Int(number)) => self.segment(&[], path, *number),
            _ => self.index(of, number),
        }
    }
}

/// The byte at which a character begins, or the end for the number of all characters.
fn place(text: &str, number: usize) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(number)
}
