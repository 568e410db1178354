;; Calls branch to a depth of 100, which takes 2^100 calls and little stack. Stopped by `deadline`.
(func $branch (param $depth i32)
  (if (i32.eqz (local.get $depth)) (then (return)))
  (call $branch (i32.sub (local.get $depth) (i32.const 1)))
  (call $branch (i32.sub (local.get $depth) (i32.const 1))))
(func $evaluate (result i32)
  (call $branch (i32.const 100))
  (global.get $clean))
