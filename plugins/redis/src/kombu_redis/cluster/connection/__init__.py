"""Lines to the masters of a cluster: who has which slot, who is asked, what is sent again."""
