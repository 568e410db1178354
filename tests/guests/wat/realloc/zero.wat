;; `cabi_realloc` returns 0, so that a request is written over address 0. That is within the memory of the guest, and
;; only harms itself.
(func $realloc (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
  (i32.const 0))
(func $configure (param i32 i32) (result i32) (i32.const 2048))
