;; `cabi_realloc` never ends once `configure` has returned. Stopped by `deadline`.
(global $configured (mut i32) (i32.const 0))
(func $realloc (param i32 i32 i32 i32) (result i32)
  (if (global.get $configured) (then (loop $forever (br $forever))))
  (i32.const 65536))
(func $configure (param i32 i32) (result i32)
  (global.set $configured (i32.const 1))
  (i32.const 0))
