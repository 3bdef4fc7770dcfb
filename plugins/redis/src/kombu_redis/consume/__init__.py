"""What is received: claims are taken, settled, renewed, and taken back where they ran out."""
