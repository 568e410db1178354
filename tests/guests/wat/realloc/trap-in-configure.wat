;; `cabi_realloc` traps when it is called for the settings. Stopped when it is loaded.
(func $realloc (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
  (unreachable))
