;; It runs `unreachable`. Stopped by a trap.
(func $evaluate (result i32)
  (unreachable)
  (global.get $clean))
