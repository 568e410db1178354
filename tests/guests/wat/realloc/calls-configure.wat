;; `cabi_realloc` calls `configure` within each decision. It only harms the guest itself.
(func $realloc (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
  (drop (call $configure (i32.const 0) (i32.const 0)))
  (i32.const 65536))
(func $configure (param i32 i32) (result i32) (i32.const 0))
