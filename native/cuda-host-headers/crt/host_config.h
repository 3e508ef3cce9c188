// Stands for a header of nvcc that the wheel of the CUDA runtime does not bring; host code needs nothing of it.
#pragma once
