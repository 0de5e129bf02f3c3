//! Errors as the page knows them: an `Error` with a `code` (docs/page.md lists them).

use js_sys::{Error, Reflect};
use virtarium_machine::error::ConfigError;
use wasm_bindgen::JsValue;

/// A JavaScript error with a code.
pub(crate) fn error(code: &str, message: &str) -> JsValue {
    let error = Error::new(message);
    // A new object takes a property.
    let _ = Reflect::set(&error, &JsValue::from_str("code"), &JsValue::from_str(code));
    error.into()
}

/// A machine that cannot be built.
pub(crate) fn config(problem: &ConfigError) -> JsValue {
    let code = match problem {
        ConfigError::MemoryUnavailable { .. } => "memory",
        ConfigError::Image { .. } => "bad-image",
        _ => "bad-machine",
    };
    error(code, &problem.to_string())
}
