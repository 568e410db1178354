;; `cabi_realloc` calls `evaluate` before the host does. It only harms the guest itself.
(func $realloc (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
  (drop (call $evaluate))
  (i32.const 65536))
(func $evaluate (result i32) (global.get $clean))
