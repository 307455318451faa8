//! Values that stand for a change, computed by the server from the field's present value.

use blaze_schema::value::typed;
use serde_json::Value;

/// Adds `by` to a number; a field that holds none becomes `by`. Integers saturate.
pub fn increment(by: impl Into<Value>) -> Value {
    typed("$increment", by.into())
}

/// The smaller of a number and `operand`; a field that holds no number becomes `operand`.
pub fn minimum(operand: impl Into<Value>) -> Value {
    typed("$min", operand.into())
}

/// The larger of a number and `operand`; a field that holds no number becomes `operand`.
pub fn maximum(operand: impl Into<Value>) -> Value {
    typed("$max", operand.into())
}

/// The time at which the server commits the write.
pub fn server_timestamp() -> Value {
    typed("$serverTimestamp", Value::Bool(true))
}

/// Appends those elements that the array does not hold yet.
pub fn array_union<T: Into<Value>>(elements: impl IntoIterator<Item = T>) -> Value {
    typed("$arrayUnion", elements.into_iter().map(Into::into).collect())
}

/// Removes every copy of these elements from the array.
pub fn array_remove<T: Into<Value>>(elements: impl IntoIterator<Item = T>) -> Value {
    typed("$arrayRemove", elements.into_iter().map(Into::into).collect())
}

/// Removes the field; in a merge or an update.
pub fn delete_field() -> Value {
    typed("$delete", Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::transform::Transform;

    #[test]
    fn each_is_a_transform_of_the_schema() {
        for (value, text) in [
            (increment(2), r#"{"$increment":2}"#),
            (minimum(0.5), r#"{"$min":0.5}"#),
            (maximum(3), r#"{"$max":3}"#),
            (server_timestamp(), r#"{"$serverTimestamp":true}"#),
            (array_union(["a", "b"]), r#"{"$arrayUnion":["a","b"]}"#),
            (array_remove([1, 2]), r#"{"$arrayRemove":[1,2]}"#),
            (delete_field(), r#"{"$delete":true}"#),
        ] {
            assert_eq!(value.to_string(), text);
            assert!(Transform::of(&value).is_some(), "{text}");
        }
    }
}
