;; `cabi_realloc` returns the address of the answer, so that the request is written over it. Stopped by the rules of a
;; verdict.
(func $realloc (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
  (select (i32.const 1024) (i32.const 65536) (global.get $configured)))
(global $configured (mut i32) (i32.const 0))
(func $configure (param i32 i32) (result i32)
  (global.set $configured (i32.const 1))
  (i32.const 0))
