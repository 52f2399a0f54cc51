"""The counterpart of render.rs: Blender's Cycles on the CPU, through the module `bpy` (4.2 or later).

    python render.py SCENES.json FOLDER

Builds each scene of the file from the same models at the poses that the labels give, and renders it with each number of
samples, without and with OpenImageDenoise, into FOLDER as linear OpenEXR. Before that, it renders flat silhouettes of
the objects, and one picture to match the brightness. Prints one line of JSON for each of the others: its file and the
seconds that rendering took, building the scene left out.
"""

import json
import math
import os
import sys
import time

import bpy
import mathutils
import numpy

# Cycles looks along -z with y up, the labels' camera along +z with y down.
FLIP = mathutils.Matrix.Diagonal((1.0, -1.0, -1.0, 1.0))
# The importer turns y upwards into z upwards.
Y_UP = mathutils.Matrix(((1, 0, 0, 0), (0, 0, 1, 0), (0, -1, 0, 0), (0, 0, 0, 1)))


def load(path):
    before = set(bpy.data.objects)
    bpy.ops.import_scene.gltf(filepath=path)
    new = [o for o in bpy.data.objects if o not in before]
    mesh = next(o for o in new if o.type == "MESH")
    # As the renderer has it: what lies within the model's frame, in one piece.
    mesh.data.transform(mesh.matrix_world)
    data = mesh.data
    for o in new:
        bpy.data.objects.remove(o)
    for material in data.materials:
        # Plastic as in the renders: 4 % of the light are mirrored head on.
        material.node_tree.nodes["Principled BSDF"].inputs["IOR"].default_value = 1.5
    return data


def build(scene, size, threads):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    world = bpy.context.scene
    world.render.engine = "CYCLES"
    world.render.threads_mode = "FIXED"
    world.render.threads = threads
    world.render.resolution_x = world.render.resolution_y = size
    world.render.resolution_percentage = 100
    world.render.use_persistent_data = True
    world.render.image_settings.file_format = "OPEN_EXR"
    world.render.image_settings.color_depth = "32"
    world.view_settings.view_transform = "Standard"
    cycles = world.cycles
    cycles.device = "CPU"
    cycles.use_adaptive_sampling = False
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = scene["bounces"]
    # Neither renderer casts caustics.
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.pixel_filter_type = "BOX"

    camera = bpy.data.cameras.new("camera")
    camera.clip_start = 1e-3
    fx, _, cx, cy = scene["camera"]
    camera.sensor_fit = "HORIZONTAL"
    camera.angle = 2 * math.atan(size / 2 / fx)
    camera.shift_x, camera.shift_y = 0.5 - cx / size, cy / size - 0.5
    world.camera = bpy.data.objects.new("camera", camera)
    world.collection.objects.link(world.camera)

    data = load(scene["model"])
    dice = []
    for pose in scene["poses"]:
        die = bpy.data.objects.new("die", data)
        rows = [pose[0:4], pose[4:8], pose[8:12], [0, 0, 0, 1]]
        die.matrix_world = FLIP @ mathutils.Matrix(rows) @ Y_UP
        world.collection.objects.link(die)
        dice.append(die)

    # The table, through the lowest points of the dice.
    up = FLIP.to_3x3() @ mathutils.Vector(scene["up"])
    low = min(up.dot(die.matrix_world @ v.co) for die in dice for v in data.vertices)
    side = up.cross(mathutils.Vector((0, 0, 1))).normalized()
    basis = mathutils.Matrix((side, up.cross(side), up)).transposed().to_4x4()
    plane = bpy.data.meshes.new("table")
    plane.from_pydata([(-50, -50, 0), (50, -50, 0), (50, 50, 0), (-50, 50, 0)], [], [(0, 1, 2, 3)])
    paint = bpy.data.materials.new("table")
    paint.use_nodes = True
    nodes, links = paint.node_tree.nodes, paint.node_tree.links
    nodes.clear()
    matt, out = nodes.new("ShaderNodeBsdfDiffuse"), nodes.new("ShaderNodeOutputMaterial")
    matt.inputs["Color"].default_value = (*scene["table"], 1)
    links.new(matt.outputs[0], out.inputs["Surface"])
    plane.materials.append(paint)
    table = bpy.data.objects.new("table", plane)
    table.matrix_world = mathutils.Matrix.Translation(up * low) @ basis
    world.collection.objects.link(table)

    world.world = bpy.data.worlds.new("light")
    world.world.use_nodes = True
    nodes, links = world.world.node_tree.nodes, world.world.node_tree.links
    nodes.clear()
    sky, turned = nodes.new("ShaderNodeTexEnvironment"), nodes.new("ShaderNodeVectorRotate")
    place = nodes.new("ShaderNodeTexCoord")
    light, out = nodes.new("ShaderNodeBackground"), nodes.new("ShaderNodeOutputWorld")
    sky.image = bpy.data.images.load(scene["environment"])
    turned.rotation_type = "EULER_XYZ"
    turned.inputs["Rotation"].default_value = basis.to_3x3().inverted().to_euler("XYZ")
    links.new(place.outputs["Generated"], turned.inputs["Vector"])
    links.new(turned.outputs[0], sky.inputs["Vector"])
    balance = nodes.new("ShaderNodeVectorMath")
    balance.operation = "MULTIPLY"
    balance.inputs[1].default_value = (1, 1, 1)
    links.new(sky.outputs[0], balance.inputs[0])
    links.new(balance.outputs[0], light.inputs["Color"])
    links.new(light.outputs[0], out.inputs["Surface"])
    return world, dice, table, balance


def render(world, path):
    world.render.filepath = path
    started = time.monotonic()
    bpy.ops.render.render(write_still=True)
    return time.monotonic() - started


def pixels(path):
    image = bpy.data.images.load(path)
    values = numpy.array(image.pixels[:]).reshape(image.size[1], image.size[0], -1)[::-1, :, :3]
    bpy.data.images.remove(image)
    return values


def silhouettes(world, dice, table, folder, number):
    """Each object in a grey of its own: its number from 1 on, by the number of all."""
    table.hide_render = True
    strength = world.world.node_tree.nodes["Background"].inputs["Strength"]
    before, strength.default_value = strength.default_value, 0.0
    originals = []
    for i, die in enumerate(dice):
        flat = bpy.data.materials.new("flat")
        flat.use_nodes = True
        nodes, links = flat.node_tree.nodes, flat.node_tree.links
        nodes.clear()
        glow, out = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
        grey = float(i + 1)
        glow.inputs["Color"].default_value = (grey, grey, grey, 1)
        links.new(glow.outputs[0], out.inputs["Surface"])
        for slot in die.material_slots:
            originals.append((slot, slot.link, slot.material))
            slot.link = "OBJECT"
            slot.material = flat
    cycles = world.cycles
    cycles.samples, cycles.use_denoising = 1, False
    filter_width, cycles.filter_width = cycles.filter_width, 0.01
    render(world, os.path.join(folder, f"{number}-silhouettes.exr"))
    cycles.filter_width = filter_width
    for slot, link, material in originals:
        slot.material, slot.link = material, link
    table.hide_render = False
    strength.default_value = before


def main():
    with open(sys.argv[1]) as file:
        plan = json.load(file)
    folder, size = sys.argv[2], plan["size"]
    for number, scene in enumerate(plan["scenes"]):
        world, dice, table, balance = build(scene, size, plan["threads"])
        silhouettes(world, dice, table, folder, number)
        cycles = world.cycles
        # As bright as the other renderer's picture and of its white balance, so that both are cut at white alike.
        cycles.samples, cycles.use_denoising = 64, True
        path = os.path.join(folder, f"{number}-level.exr")
        render(world, path)
        median = numpy.median(pixels(path), axis=(0, 1))
        balance.inputs[1].default_value = [float(want / has) for want, has in zip(scene["median"], median)]
        for samples, denoise in plan["ways"]:
            cycles.samples, cycles.use_denoising = samples, denoise
            cycles.seed = samples
            name = f"{number}-{samples}{'-denoised' if denoise else ''}.exr"
            path = os.path.join(folder, name)
            seconds = render(world, path)
            print(json.dumps({"file": path, "seconds": seconds}), flush=True)


main()
