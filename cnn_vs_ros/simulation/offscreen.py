"""Rendering without a display: chooses EGL or OSMesa before MuJoCo is imported, and draws into memory.

Import MuJoCo through this module (``from cnn_vs_ros.simulation.offscreen import mujoco``): MuJoCo reads MUJOCO_GL
only once, while it is being imported.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import os

import cv2
import numpy as np

from cnn_vs_ros.simulation.errors import SimulationError

_MISSING = (
    'rendering without a display needs EGL or OSMesa, and neither works here: install the Debian packages '
    'libegl1, libgl1 and libgl1-mesa-dri (EGL), or libosmesa6 and libgl1 (OSMesa)'
)


def _egl_works() -> bool:
    """Whether some EGL device initialises; asked of libEGL itself, since PyOpenGL cannot change its mind later."""
    try:
        egl = ctypes.CDLL(ctypes.util.find_library('EGL') or 'libEGL.so.1')
        ctypes.CDLL(ctypes.util.find_library('GL') or 'libGL.so.1')
    except OSError:
        return False
    pointer = ctypes.c_void_p
    egl.eglGetProcAddress.restype = pointer
    addresses = [egl.eglGetProcAddress(name) for name in (b'eglQueryDevicesEXT', b'eglGetPlatformDisplayEXT')]
    if not all(addresses):
        return False
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, pointer, pointer)(addresses[0])
    display_of = ctypes.CFUNCTYPE(pointer, ctypes.c_uint, pointer, pointer)(addresses[1])
    devices, count = (pointer * 16)(), ctypes.c_int()
    if not query(16, devices, ctypes.byref(count)):
        return False
    platform_device = 0x313F
    egl.eglInitialize.argtypes = [pointer, pointer, pointer]
    displays = (display_of(platform_device, devices[i], None) for i in range(count.value))
    return any(display and egl.eglInitialize(display, None, None) for display in displays)


def _osmesa_works() -> bool:
    for name in (ctypes.util.find_library('OSMesa'), 'libOSMesa.so.8', 'libOSMesa.so.6'):
        try:
            ctypes.CDLL(name or 'libOSMesa.so')
            return True
        except OSError:
            continue
    return False


def choose_backend() -> str:
    """Return the value for MUJOCO_GL: the user's own choice, else egl, else osmesa, else `disable`."""
    chosen = os.environ.get('MUJOCO_GL', '').strip().lower()
    if chosen:
        return chosen
    if _egl_works():
        return 'egl'
    return 'osmesa' if _osmesa_works() else 'disable'


os.environ['MUJOCO_GL'] = choose_backend()

try:
    import mujoco
except ModuleNotFoundError:
    raise
except Exception as error:  # a MUJOCO_GL that MuJoCo or PyOpenGL cannot serve; each raises its own kind
    raise SimulationError(f'{_MISSING} (MUJOCO_GL={os.environ["MUJOCO_GL"]}: {error})') from error


class OffscreenRenderer:
    """Draws a MuJoCo model's fixed cameras into BGR images.

    Belongs to the thread that made it: an OpenGL context is current in one thread only.

    Raises:
        SimulationError: neither EGL nor OSMesa works on this machine.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        width, height = int(model.vis.global_.offwidth), int(model.vis.global_.offheight)
        try:
            self._gl = mujoco.GLContext(width, height)
            self._gl.make_current()
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        except Exception as error:  # each backend raises its own kind
            raise SimulationError(f'{_MISSING} (MUJOCO_GL={os.environ["MUJOCO_GL"]}: {error})') from error
        self._scene = mujoco.MjvScene(model, maxgeom=400)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._options = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._perturb = mujoco.MjvPerturb()
        self._buffers: dict[tuple[int, int], np.ndarray] = {}

    def render(self, data: mujoco.MjData, camera: int, width: int, height: int) -> np.ndarray:
        """Image (height, width, 3), BGR uint8, of the camera with that id."""
        self._gl.make_current()  # another renderer of this thread may have been at work
        self._camera.fixedcamid = camera
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._options,
            self._perturb,
            self._camera,
            int(mujoco.mjtCatBit.mjCAT_ALL),
            self._scene,
        )
        viewport = mujoco.MjrRect(0, 0, width, height)
        buffer = self._buffers.setdefault((width, height), np.empty((height, width, 3), np.uint8))
        mujoco.mjr_render(viewport, self._scene, self._context)
        mujoco.mjr_readPixels(buffer, None, viewport, self._context)
        return cv2.cvtColor(cv2.flip(buffer, 0), cv2.COLOR_RGB2BGR)

    def close(self) -> None:
        """Free the OpenGL context."""
        self._gl.make_current()
        self._context.free()
        # MuJoCo 4.0 trips over PyOpenGL as it lets a current OSMesa context go; the process's end frees it.
        with contextlib.suppress(ctypes.ArgumentError):
            self._gl.free()
