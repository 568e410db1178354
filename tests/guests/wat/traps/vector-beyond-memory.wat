;; It writes a vector over the end of its memory. Stopped by a trap.
(func $evaluate (result i32)
  (v128.store (i32.const 131060) (v128.const i64x2 -1 -1))
  (global.get $clean))
