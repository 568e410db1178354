;; The function after the answer of `configure` never ends. Stopped by `configure-deadline`.
(func $post-return-of-configure (param i32) (loop $forever (br $forever)))
