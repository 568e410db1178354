;; `evaluate` calls `cabi_realloc` for 4 GiB. It only harms the guest itself.
(func $realloc (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
  (i32.const 65536))
(func $evaluate (result i32)
  (drop (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const -1)))
  (global.get $clean))
