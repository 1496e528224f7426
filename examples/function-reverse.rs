// SPDX-License-Identifier: Apache-2.0
// A function in Rust on the plain C ABI: turns texts around. No crate is
// needed; what is declared here is what kabridge/function.h says.
//
//     make reverse.so && echo abc | kabridge try reverse.conf
//
// A panic must not leave process(): it becomes the failure of that call.
use std::ffi::{c_char, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};

#[repr(C)]
struct KabBytes {
    data: *const c_void,
    len: usize,
}

#[repr(C)]
struct KabRecord {
    key: KabBytes,
    value: KabBytes,
    topic: *const c_char,
    partition: i32,
    offset: i64,
    timestamp_ms: i64,
}

#[repr(C)]
pub struct KabFunction {
    abi_major: u32,
    abi_minor: u32,
    struct_size: u32,
    option_size: u32,
    flags: u32,
    name: *const c_char,
    summary: *const c_char,
    options: *const c_void,
    n_options: usize,
    open: Option<extern "C" fn(*mut c_void, *mut *mut c_void) -> bool>,
    process: extern "C" fn(*mut c_void, *mut c_void),
    cancel: Option<extern "C" fn(*mut c_void, *mut c_void)>,
    close: Option<extern "C" fn(*mut c_void)>,
}
unsafe impl Sync for KabFunction {}

const KAB_FAIL_PERMANENT: i32 = 2;

extern "C" {
    fn kab_batch_count(batch: *const c_void) -> usize;
    fn kab_batch_records(batch: *const c_void) -> *const KabRecord;
    fn kab_batch_emit_value(batch: *mut c_void, i: usize, data: *const c_void, len: usize);
    fn kab_batch_reject_input(batch: *mut c_void, i: usize, reason: *const c_char);
    fn kab_batch_complete(batch: *mut c_void);
    fn kab_batch_fail(batch: *mut c_void, failure: i32, retry_after_ms: i64, reason: *const c_char);
}

unsafe fn reverse(batch: *mut c_void) {
    let records = std::slice::from_raw_parts(kab_batch_records(batch), kab_batch_count(batch));
    for (i, record) in records.iter().enumerate() {
        let bytes: &[u8] = if record.value.data.is_null() {
            &[]
        } else {
            std::slice::from_raw_parts(record.value.data as *const u8, record.value.len)
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let turned: String = text.chars().rev().collect();
                kab_batch_emit_value(batch, i, turned.as_ptr() as *const c_void, turned.len());
            }
            Err(_) => kab_batch_reject_input(
                batch,
                i,
                b"found bytes that are not UTF-8; wanted text\0".as_ptr() as *const c_char,
            ),
        }
    }
    kab_batch_complete(batch);
}

extern "C" fn process(_instance: *mut c_void, batch: *mut c_void) {
    let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { reverse(batch) }));
    if outcome.is_err() {
        let reason = b"the function panicked\0".as_ptr() as *const c_char;
        unsafe { kab_batch_fail(batch, KAB_FAIL_PERMANENT, -1, reason) };
    }
}

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static kab_function: KabFunction = KabFunction {
    abi_major: 1,
    abi_minor: 0,
    struct_size: std::mem::size_of::<KabFunction>() as u32,
    option_size: 0, // it has no options
    flags: 0,
    name: b"reverse\0".as_ptr() as *const c_char,
    summary: b"turns texts around\0".as_ptr() as *const c_char,
    options: std::ptr::null(),
    n_options: 0,
    open: None,
    process,
    cancel: None,
    close: None,
};
