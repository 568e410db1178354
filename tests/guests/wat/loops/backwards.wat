;; Nested loops of 2^64 rounds, which end in theory. Stopped by `deadline`.
(func $evaluate (result i32)
  (local $outer i32) (local $inner i32)
  (loop $rounds
    (loop $again
      (br_if $again (local.tee $inner (i32.sub (local.get $inner) (i32.const 1)))))
    (br_if $rounds (local.tee $outer (i32.sub (local.get $outer) (i32.const 1)))))
  (global.get $clean))
