//! `worker-bindgen WASM FOLDER`: reads what cargo built and writes `index.js` and `index_bg.wasm` into FOLDER.

use std::env;
use std::error::Error;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let [wasm, folder]: [String; 2] = env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: worker-bindgen WASM FOLDER")?;
    Bindgen::new()
        .module(true)?
        .input_path(wasm)
        .out_name("index")
        .typescript(false)
        // `__wbg_reset_state`, with which `src/entry.js` starts a new instance after a trap.
        .reset_state_function(true)
        // Marks the instance as dead after a trap, so that no call enters it any more.
        .force_enable_abort_handler(true)
        .generate(folder)?;
    Ok(())
}
