;; The length of the answer lies beyond memory. Stopped by the bounds of an answer.
(func $evaluate-packed (param $request i32) (param $length i32) (result i32)
  (i32.const 131068))
