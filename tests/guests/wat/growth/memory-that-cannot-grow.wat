;; The memory begins at the maximum that it declares. Stopped when it is loaded: the snapshot adds a page.
(memory $memory 2 2)
