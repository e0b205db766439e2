"""Spiking neurons, encoders, spike timing and trace kernels."""
