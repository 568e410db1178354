;; It exports another interface. Stopped when it is loaded: it lacks the exports of the contract.
(component (instance $i) (export "a:b/c" (instance $i)))
