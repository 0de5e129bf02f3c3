//! What is said when the core has a bug: to the console, and to the worker as a value.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use js_sys::Function;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

thread_local! {
    static LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

static INSTALLED: Once = Once::new();

/// Has `listener` called with the text of a panic (message and place) before the call that panics
/// throws. The instance is of no use afterwards.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(listener: Function) {
    LISTENER.with_borrow_mut(|slot| *slot = Some(listener));
    INSTALLED.call_once(|| panic::set_hook(Box::new(report)));
}

fn report(info: &PanicHookInfo<'_>) {
    console_error_panic_hook::hook(info);
    let listener = LISTENER.with_borrow_mut(Option::take);
    if let Some(listener) = listener {
        // A listener that throws changes nothing: the panic goes on.
        let _ = listener.call1(&JsValue::NULL, &JsValue::from_str(&info.to_string()));
    }
}
