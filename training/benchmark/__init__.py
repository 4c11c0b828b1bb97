"""The paper's convergence benchmark (section V-A): methods, scenes and conditions side by side in one run."""
