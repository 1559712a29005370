"""The words of the demo language, by class, with how often each is chosen.

A class is a text of entries, separated by commas. An entry may be several words (a collocation) and may have a weight
after a colon (1 by default). Classes hold rhymes and minimal pairs (rug, mug, tug), words of similar meaning (UK,
Britain, England) and collocations with skewed frequencies (traffic lights), because the claims of the study are about
those. Homophones are avoided: no listener could tell them apart.
"""

from __future__ import annotations

CLASSES: dict[str, str] = {
    "animal": """
        cat:3, dog:3, goat:2, frog:2, duck:2, bug:2, hen, pig:2, fox:2, cow:2, sheep, mouse:2, rat, bat, bird:2,
        fish:2,
        lion, tiger, snake, rabbit, monkey, spider, turtle, whale, shark, wolf, chicken, pony, donkey, kitten, puppy,
        bee, owl, swan, crab, camel, eagle, parrot, polar bear:2, guinea pig""",
    "thing": """
        rug:3, mug:3, jug:2, boat:3, coat:3, cup:2, cap:2, map:2, hat:3, mat, bag:2, box:3, clock:2, lock, rock, sock,
        book:3, hook, ball:2, bell:2, bill, pen:2, pin, pan:2, pot:2, cot, net, nut, cart, card:2, chart,
        key:2, ring:2, string, lamp:2, stamp, ship:2, chip, sheet, shirt:2, skirt,
        shoe:2, spoon:2, balloon, chair:2, table:2, door:3, floor, drum:2, drill, plate:2, gate, skate,
        phone:3, stone:2, cone, bone, rope, soap, towel, tower, flower:2, shovel, candle, handle, kettle, bottle:2,
        button, basket, blanket, jacket, rocket, pocket, ticket:2, bucket, hammer, ladder, letter:2, mirror, needle,
        paper:2, pencil, picture:2, pillow, window:3, wallet, camera, umbrella, guitar, piano, violin, computer:2,
        machine, engine, wheel:2, wagon, truck:2, train:3, bus:3, bike:2, van, car:3, jeep, yacht, zip, vase,
        toothbrush, tooth, washing machine:2, swimming pool:2, alarm clock:2, traffic light:2, teddy bear:2,
        seat belt:2, tea bag:1, credit card:3, birthday card:2, birthday cake:2, wooden spoon:1""",
    "food": """
        bread:2, cheese:2, rice:2, soup:2, cake:3, pie:2, milk:2, tea:3, coffee:3, juice:2, butter:2, honey:2, sugar,
        salt, pepper, apple:2, orange, banana, lemon, melon, mango, cherry, grape, peach, plum, carrot, onion,
        potato:2, tomato:2, salad:2, sandwich:2, pizza:2, pasta, noodle, chocolate:3, cookie, biscuit, ice cream:4,
        fish and chips:2, salt and pepper:1, bread and butter:2, toast:2, orange juice:3, hot chocolate:2,
        apple pie:2, fried egg:1, chicken soup:2, tomato soup:1, jam, ham, lamb, beef, corn""",
    "place": """
        house:4, garden:4, kitchen:4, school:4, church:3, shop:3, park:4, farm:3, forest:3, river:3, lake:2, beach:3,
        hill:2, mountain:2, valley:2, village:3, town:3, city:3, street:3, road:3, bridge:3, market:3, station:2,
        airport:2, hospital:2, museum:2, library:3, office:3, hotel:2, castle:2, tower:2, harbour:2, island:2,
        field:2,
        yard, barn, cave, zoo:2, theatre, stadium, factory, cellar, attic, bedroom:2, bathroom:2, living room:2,
        post office:4, police station:3, train station:4, bus stop:4, car park:3, football field:1, ice rink:1""",
    "country": """
        UK:4, Britain:3, England:4, Scotland:2, Ireland:2, France:3, Spain:2, Italy:2, Germany:2, Poland, Greece,
        Turkey, Egypt, Kenya, India:2, China:3, Japan:3, Brazil:2, Mexico, Canada:3, America:4, Australia:2,
        New Zealand:2, South Africa:2, New York:4, London:4, Paris:3, Rome, Berlin, Moscow, Tokyo, Chicago, Boston""",
    "person": """
        Tom:3, Tim:2, Pam, Sam:2, Dan:2, Ben:2, Jen, Kate:2, Jake, Jack:2, Mack, Rose, Joe:2, Sue:2, Lou, Bill:2,
        Jill,
        Will, Phil, Anna:2, Hannah, Emma:2, Lucy:2, Susan, Mary:2, Harry:2, Larry, Peter:2, Rachel, Michael:2,
        David:2,
        George:2, Charlie:2, Jessica, Oliver, Sophie, Thomas, Victor, Zoe, Yasmin""",
    "relation": """
        mother:3, father:3, brother:3, sister:3, uncle, aunt:1, cousin, friend:4, neighbour:2, teacher:3, doctor:3,
        nurse:2, driver:2, farmer:2, baker:2, singer:2, painter:2, writer, lawyer, soldier, captain:2, king:2,
        queen:2,
        prince, boss, boy:3, girl:3, man:3, woman:3, child:2, baby:2, student:2, waiter, judge:2, thief, chef,
        pilot:2,
        best friend:3, police officer:3, bus driver:3, taxi driver:3, prime minister:2, football player:1""",
    "colour": """
        red:4, green:3, yellow:3, black:3, white:3, brown:2, pink:2, purple:2, grey:2, silver, golden, dark green:1,
        bright red:1""",
    "quality": """
        big:4, small:4, old:4, new:4, long:3, short:2, tall:2, little:4, young:2, good:2, bad:2, happy:2, sad:2,
        mad, cold:3, warm:2, wet:2, dry, fast:2, slow:2, heavy:2, strong:2, quiet:2, loud, clean:2, dirty, empty:2,
        full, cheap:2, rich, thick, thin:2, round, flat, sharp, smooth, rough, fresh:2, sweet:2, pretty:2, ugly,
        strange:2,
        funny:2, lovely:2, broken:2, wooden:2, huge, tiny:2, lazy, busy, clever, brave, gentle, famous:2""",
    "feeling": """
        happy:4, sad:3, tired:4, hungry:4, thirsty, angry:2, ready:3, late:4, sick:2, busy:3, glad:2, sorry:3,
        afraid:2, lucky:2, proud, cold:2, careful:2, famous, quiet:2, young, old:2, rich, thin""",
    "move": """
        ran:3, walked:3, went:4, drove:2, jumped:2, climbed:2, hurried:2, came back:2, rushed, marched, sailed, crept,
        turned, moved:2, travelled:2""",
    "act": """
        saw:3, found:4, took:3, bought:4, sold:2, lost:3, broke:2, made:2, kept:2, liked:2, loved:2, wanted:3,
        needed:2,
        painted:2, washed:2, dropped:2, carried:2, pushed, pulled:2, caught:2, opened, moved:2, hid, stole,
        borrowed:2, picked up:3, put down:1, looked at:3, waited for:2, asked for:2""",
    "rest": """
        sat:3, slept:3, stood:3, waited:4, stayed:3, played:4, worked:3, lived:3, sang:2, danced:2, laughed:2,
        cried""",
    "consume": "ate:4, made:3, cooked:3, bought:3, wanted:3, shared:2, tasted:2, smelled, ordered:3, finished:2",
    "day": "Monday:3, Tuesday:2, Wednesday:2, Thursday:2, Friday:4, Saturday:4, Sunday:4",
    "month": """
        January:2, February, March, April:2, May:2, June:2, July:2, August:2, September:2, October:2, November:2,
        December:2""",
    "number": """
        three:4, five:4, six:3, seven:3, nine:2, ten:4, eleven:2, twelve:3, thirteen, fifteen:2, twenty:3, thirty:2,
        forty, fifty:2, sixty, ninety, one hundred:3, two hundred:1""",
    "hour": "three:2, five:2, six:2, seven:3, nine:3, ten:3, eleven:2, twelve:2",
    "when": """
        today:4, yesterday:4, last night:5, last week:4, last year:3, this morning:5, in the morning:4,
        in the evening:2, at night:2, every day:4, all day:2, again:2, once more:2, a long time ago:2, at once,
        right now:2, after lunch:2, before dinner:2""",
    "weather": "rain:4, snow:3, wind:2, fog, ice, thunder, storm:2, sunshine:2",
    "weathery": "cold:4, hot:3, warm:3, wet:3, windy:2, cloudy:2, sunny:3, dark:2, foggy",
    "game": "football:4, tennis:3, chess:2, cards:2, golf, hockey, rugby:2, basketball:2, hide and seek:2, music:2",
    "subject": """
        music:2, science:2, history:2, art, English:3, French:3, German, Spanish:2, maths:2, reading, drawing""",
    "plural": """
        cats:2, dogs:2, birds:2, books:3, cups:2, shoes:3, boxes:3, trees:3, flowers:3, apples:3, eggs:4, stars:2,
        houses:2, horses:3, children:4, people:4, letters:2, chairs:2, keys:2, coins:2, rugs, mugs, boats:2, coats,
        hats, bugs, cars:2, buses, pages:2, minutes:2, jugs, goats, ducks, frogs, stamps, bridges, watches, traffic
        lights:2, ice cubes:1, bus tickets:2""",
    "near": "near:4, behind:3, beside:2, under:3, above, inside:2, outside:2, on:5, in:3, next to:4, in front of:3",
    "toward": "to:6, into:3, towards:2, past:2, around:2, across:2, through:2, out of:2",
}
"""Class name -> entries as text; see the module's docstring for the form."""

EXTRA_WORDS: str = """
    tug, hug, dug, shrug, plug, slug, snug, throat, float, note, vote, wrote, rose, nose, toes, mouth, south,
    north, east,
    west, thumb, tongue, teeth, cheek, chin, knee, elbow, shoulder, finger, stomach, breath, earth, birth, math, path,
    bath, thing, think, thank, breathe, smooth, these, those, beige, treasure, measure, pleasure, vision, garage,
    usual,
    jump, jar, joke, age, edge, badge, magic, danger, giant, voice, choice, noise, boil, coin, join, toy, cow,
    loud, cloud,
    shout, mouse, brown, crown, down, yes, yellow, year, you, young, use, few, cube, music, huge, human, hair, here,
    hill, whistle, wish, wash, watch, which, what, when, where, why, way, wait, week, wind, wing, sing,
    long, song, wrong, strong, young, tongue, ink, bank, drink, pink, sunk, uncle, angle, jungle, single, angry,
    hungry,
    zero, zebra, zone, busy, easy, rosy, lazy, dizzy, puzzle, sizzle, view, very, vote, vest, vine, give, live,
    leave, love,
    glove, oven, seven, clever, river, never, ever, over, fever, fan, fun, fin, fine, fire, far, fair, fear, fur,
    fork,
    fall, full, fool, food, foot, put, push, pull, bull, could, good, should, stood, cook, book, bird, burn, turn,
    learn, earn, word, work, world, girl, pearl, nurse, purse, church, search, church
"""
"""Further words that only word lists use: every phone of American English in many contexts."""
