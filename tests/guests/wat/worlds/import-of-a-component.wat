;; It imports a component. Stopped when it is loaded: a plugin imports nothing.
(component (import "c" (component)))
