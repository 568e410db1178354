;; `cabi_realloc` returns the same address always, so that the texts of a request lie over each other. It only harms the
;; guest itself.
(func $realloc (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
  (i32.const 65536))
