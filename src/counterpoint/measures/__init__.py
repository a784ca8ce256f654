"""Measures of a fitted model on a task, one small file each; `listed` names them all."""
