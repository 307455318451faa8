//! What the documents of a collection must look like, where a JSON Schema says so.
