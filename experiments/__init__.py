"""Experiments compose models, core and rsa; they hold no equations and no kernels."""
